import { cpSync, globSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checkoutPath } from "./checkout.mjs";

export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
  readonly message: string;
}

interface LintReport {
  readonly number_of_files: number;
  readonly diagnostics: readonly {
    readonly filename: string;
    readonly code: string;
    readonly message: string;
    readonly help?: string;
    readonly labels: readonly { readonly span: { readonly line: number } }[];
  }[];
}

/**
 * A copy of the workspace's configuration without its sources, outside of the checkout: violations are planted in it
 * and the real linter and compiler are run over them.
 */
export class PlantedWorkspace {
  readonly #path = mkdtempSync(join(tmpdir(), "weir-planted-"));

  constructor() {
    const configuration = globSync(
      [
        "tsconfig*.json",
        ".oxlintrc.json",
        "package.json",
        "packages/*/package.json",
        "packages/**/tsconfig.json",
      ],
      { cwd: checkoutPath, exclude: ["**/node_modules/**", "**/dist/**"] },
    );
    for (const file of configuration)
      cpSync(join(checkoutPath, file), join(this.#path, file), { recursive: true });
    symlinkSync(join(checkoutPath, "node_modules"), join(this.#path, "node_modules"));
  }

  plant(file: string, lines: readonly string[]): void {
    const path = join(this.#path, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${lines.join("\n")}\n`);
  }

  /** Lints everything that was planted; `fileCount` is what the linter says that it saw. */
  lint(): { readonly fileCount: number; readonly findings: readonly Finding[] } {
    const { stdout, stderr } = this.#run("oxlint/bin/oxlint", [
      "--type-aware",
      "--format",
      "json",
      "packages",
    ]);
    const report = parseReport(stdout, stderr);
    return { fileCount: report.number_of_files, findings: report.diagnostics.map(toFinding) };
  }

  /** What the compiler says about one project, or an empty string if nothing. */
  compile(project: string): string {
    return this.#run("typescript/bin/tsc", ["-p", project, "--noEmit"]).stdout;
  }

  remove(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }

  #run(tool: string, args: readonly string[]): { readonly stdout: string; readonly stderr: string } {
    const command = [join(checkoutPath, "node_modules", tool), ...args];
    return spawnSync(process.execPath, command, {
      cwd: this.#path,
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
    });
  }
}

function parseReport(stdout: string, stderr: string): LintReport {
  try {
    return JSON.parse(stdout) as LintReport;
  } catch (cause) {
    throw new Error(`oxlint did not report: ${(stderr || stdout).slice(0, 2000)}`, { cause });
  }
}

function toFinding({ filename, code, message, help, labels }: LintReport["diagnostics"][number]): Finding {
  return { file: filename, line: labels[0]?.span.line ?? 0, rule: code, message: `${message} ${help ?? ""}` };
}
