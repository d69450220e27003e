/**
 * The claim at a path, or undefined. Names are separated by dots: `resource_access.weir.roles`. A claim of the outermost
 * level that has exactly the path's name wins, because issuers name claims `https://example.com/account`; elsewhere a
 * dot that belongs to a name is written `\.`, and a backslash `\\`.
 */
export function lookUpClaim(claims: unknown, path: string): unknown {
  if (hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const name of path.includes("\\") ? splitEscaped(path) : path.split(".")) {
    if (!hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

function splitEscaped(path: string): string[] {
  const names = [""];
  for (const [piece] of path.matchAll(/\\[\\.]|\.|[^\\.]+|\\/g)) {
    if (piece === ".") names.push("");
    else names[names.length - 1] += piece.length === 2 && piece.startsWith("\\") ? piece.slice(1) : piece;
  }
  return names;
}

function hasOwn(value: unknown, name: string): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.hasOwn(value, name);
}
