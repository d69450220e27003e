import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCertificates } from "@weir/testkit";

/** A server's certificate and key in files, as a configuration names them. */
export function certificateFiles(): { readonly cert: string; readonly key: string } {
  const folder = mkdtempSync(join(tmpdir(), "weir-hostile-"));
  const { server } = makeCertificates();
  const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  writeFileSync(files.cert, server.cert);
  writeFileSync(files.key, server.key);
  return files;
}
