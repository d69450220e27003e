/** What came back is not what was asked for; the message says why, without anything that was sent. */
export class FetchError extends Error {
  override readonly name = "FetchError";
}

export interface BoundedRequest {
  readonly url: string;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Sent by POST as a form; GET where absent. */
  readonly form?: URLSearchParams;
  /** Of the header Authorization. */
  readonly authorization?: string;
}

/**
 * Asks an issuer for a JSON document: within a time and a size, and from the very address that was configured, so no
 * redirect is followed.
 *
 * @throws {FetchError}
 */
export async function fetchJson(request: BoundedRequest): Promise<unknown> {
  const { url, timeoutMs, maxBytes, form, authorization } = request;
  try {
    const response = await fetch(url, {
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
      headers: { accept: "application/json", ...(authorization !== undefined && { authorization }) },
      ...(form && { method: "POST", body: form }),
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new FetchError(`the answer has status ${response.status}`);
    }
    return JSON.parse(await readText(response, maxBytes)) as unknown;
  } catch (error) {
    throw error instanceof FetchError ? error : new FetchError(describe(error, timeoutMs));
  }
}

async function readText(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw new FetchError(`the answer has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** What fetch says is "fetch failed"; its cause says more. */
function describe(error: unknown, timeoutMs: number): string {
  if (error instanceof SyntaxError) return "the answer is not JSON";
  if (!(error instanceof Error)) return "it failed";
  if (error.name === "TimeoutError") return `no answer within ${timeoutMs} ms`;
  const { cause } = error as { cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? error.message;
}
