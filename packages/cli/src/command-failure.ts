/** The command cannot do what it was asked to: exit code 1. The message is a sentence for a person. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
}

/** The command was typed in a way that makes no sense: exit code 2. */
export class WrongUse extends Error {
  override readonly name = "WrongUse";
}
