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

/** Why a policy refuses a publish, in words for the reason string; undefined: it does not. */
export function refusalOf(policy: Policy, attempt: PublishAttempt): string | undefined {
  const { topic, qos, retain, responseTopic } = attempt;
  const verdict = policy.checkPublish(topic.name, topic.levels, qos, retain);
  if (verdict === "denied") return "not authorized to publish to this topic";
  if (verdict === "qos") return "not authorized to publish to this topic at this QoS";
  if (verdict === "retain") return "not authorized to retain messages of this topic";
  if (responseTopic !== undefined && !policy.canRead(responseTopic, responseTopic.split("/"))) {
    return "not authorized to subscribe to the response topic"; // semantics.md §1.6
  }
  return undefined;
}

/** A topic name within this broker's bounds. What the decoder has passed needs only this. */
export function isWithinLimits(topic: string, limits: Limits): boolean {
  return isTopicName(topic, { maxBytes: limits.maxTopicBytes, maxLevels: limits.maxTopicLevels });
}
