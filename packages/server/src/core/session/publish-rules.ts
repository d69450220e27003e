import { isTopicName, type Qos } from "@weir/protocol";
import type { Policy } from "../access/policy.ts";
import type { TopicName } from "../ports/message.ts";
import type { Limits } from "./limits.ts";

export interface PublishAttempt {
  readonly topic: TopicName;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly responseTopic: string | undefined;
}

export type Refusal = "topic" | "qos" | "retain" | "response-topic";

/** What a policy refuses of a publish; undefined: nothing. */
export function refusalOf(policy: Policy, attempt: PublishAttempt): Refusal | undefined {
  const { topic, qos, retain, responseTopic } = attempt;
  const verdict = policy.checkPublish(topic.name, topic.levels, qos, retain);
  if (verdict !== "allowed") return verdict === "denied" ? "topic" : verdict;
  const mayHear = responseTopic === undefined || policy.canRead(responseTopic, responseTopic.split("/"));
  return mayHear ? undefined : "response-topic"; // semantics.md §1.6
}

/** In words, for people. */
export const refusalText: Readonly<Record<Refusal, string>> = {
  topic: "not authorized to publish to this topic",
  qos: "not authorized to publish to this topic at this QoS",
  retain: "not authorized to retain messages of this topic",
  "response-topic": "not authorized to subscribe to the response topic",
};

/** A topic name within this broker's bounds. What the decoder has passed needs only this. */
export function isWithinLimits(topic: string, limits: Limits): boolean {
  return isTopicName(topic, { maxBytes: limits.maxTopicBytes, maxLevels: limits.maxTopicLevels });
}
