import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the checkout, wherever a script was called from. */
export const checkoutPath = dirname(dirname(fileURLToPath(import.meta.url)));

/** What the bootstrap installs beside the workspace; ignored by git. */
export const toolsPath = join(checkoutPath, ".tools");
