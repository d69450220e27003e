import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCertificates } from "@weir/testkit";

interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  remove(this: void): void;
}

/** A server's certificate and key in files, as a configuration names them; a broker that has started has read them. */
export function certificateFiles(): CertificateFiles {
  const folder = mkdtempSync(join(tmpdir(), "weir-hostile-"));
  const { server } = makeCertificates();
  const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  writeFileSync(files.cert, server.cert);
  writeFileSync(files.key, server.key);
  return { ...files, remove: () => rmSync(folder, { recursive: true }) };
}
