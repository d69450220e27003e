/** A failure that the person in front of the terminal can act on: what happened, and what to do about it. */
export class BootstrapError extends Error {
  /**
   * @param {string} message what happened
   * @param {string} remedy what to do
   */
  constructor(message, remedy) {
    super(message);
    this.name = "BootstrapError";
    this.remedy = remedy;
  }
}
