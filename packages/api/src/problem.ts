import Type, { type Static } from "typebox";

/** The stable codes of errors, each with the one HTTP status that it comes with. */
export const problemStatus = {
  invalid: 400,
  unauthenticated: 401,
  /** The credential lacks the scope for this call. */
  scope: 403,
  /** The credential's ACL does not allow this topic. */
  acl: 403,
  "not-found": 404,
  conflict: 409,
  precondition: 412,
  "too-large": 413,
  rate: 429,
  internal: 500,
  /** It may have happened, but is not certain to survive a crash. */
  "not-durable": 503,
  /** It did not happen; later it may. */
  unavailable: 503,
} as const;

export type ProblemCode = keyof typeof problemStatus;

export const problemTitle: Readonly<Record<ProblemCode, string>> = {
  invalid: "The request cannot be accepted",
  unauthenticated: "A valid credential is needed",
  scope: "The credential lacks the scope",
  acl: "The ACL does not allow this",
  "not-found": "There is no such thing",
  conflict: "Somebody else changed it at the same time",
  precondition: "It is not in the state that the request expects",
  "too-large": "The request is too large",
  rate: "Too many requests",
  internal: "The broker made a mistake",
  "not-durable": "Whether it was kept is not known",
  unavailable: "This cannot be done at the moment",
};

export const PROBLEM_CONTENT_TYPE = "application/problem+json";

/** The body of every error (RFC 9457). */
export const Problem = Type.Object({
  type: Type.String({ description: "urn:weir:problem: and the code" }),
  title: Type.String(),
  status: Type.Integer(),
  code: Type.Enum(Object.keys(problemStatus) as ProblemCode[]),
  detail: Type.Optional(
    Type.String({ description: "What is wrong with this request, and what to do about it" }),
  ),
});
export type Problem = Static<typeof Problem>;

export function createProblem(code: ProblemCode, detail?: string): Problem {
  const problem = {
    type: `urn:weir:problem:${code}`,
    title: problemTitle[code],
    status: problemStatus[code],
    code,
  };
  return detail === undefined ? problem : { ...problem, detail };
}
