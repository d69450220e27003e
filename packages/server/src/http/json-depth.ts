const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Whether objects and arrays lie in one another more than `levels` deep. Looks at the text and not at what it says, so
 * that no text is too deep for it; of text that is no JSON it says nothing of use.
 */
export function isNestedDeeper(json: string, levels: number): boolean {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (isInString) {
      if (code === BACKSLASH) at++;
      else if (code === QUOTE) isInString = false;
    } else if (code === QUOTE) {
      isInString = true;
    } else if (isOpening(code)) {
      depth++;
      if (depth > levels) return true;
    } else if (isClosing(code)) {
      depth--;
    }
  }
  return false;
}

/** `[` or `{` */
function isOpening(code: number): boolean {
  return code === 0x5b || code === 0x7b;
}

/** `]` or `}` */
function isClosing(code: number): boolean {
  return code === 0x5d || code === 0x7d;
}
