import { countLevels, encodeText, isTopicName, type Qos } from "@weir/protocol";
import type { Policy } from "../access/policy.ts";
import type { TopicName } from "../ports/message.ts";
import type { Counters } from "../ports/telemetry.ts";
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

export const tooManyRetained = "there are as many retained messages as the broker keeps";

/** A topic name or filter was refused: counts which bound it exceeds, if it is for that. */
export function countOverlong({ limits, counters }: Counting, topic: string): void {
  const isDeep = countLevels(topic) > limits.maxTopicLevels;
  const isLong = !isDeep && !isWithinBytes(topic, limits.maxTopicBytes);
  if (isDeep) counters.limitReached["limits.maxTopicLevels"] += 1;
  if (isLong) counters.limitReached["limits.maxTopicBytes"] += 1;
}

function isWithinBytes(topic: string, maxBytes: number): boolean {
  return encodeText(topic).length <= maxBytes;
}

interface Counting {
  readonly limits: Limits;
  readonly counters: Counters;
}

/** A topic name within this broker's bounds. What the decoder has passed needs only this. */
export function isWithinLimits(topic: string, limits: Limits): boolean {
  return isTopicName(topic, { maxBytes: limits.maxTopicBytes, maxLevels: limits.maxTopicLevels });
}
