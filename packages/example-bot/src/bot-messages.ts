import type { ChatState } from './conversation.ts';
import type { LatencySummary } from './save-latency.ts';

/** How the simulated users behave. */
export interface TalkPlan {
  readonly users: number;
  readonly tenants: number;
  /** Of each user, on average. */
  readonly messagesPerSecond: number;
  /** The users say their first word one by one within this time, ms. */
  readonly arrivalMs: number;
}

/** What became of the saves and clears so far. */
export interface SaveCounts {
  readonly saved: number;
  readonly cleared: number;
  /** Redis did not take it; repeated. */
  readonly rejected: number;
  /** No answer came; repeated as the same save. */
  readonly unknown: number;
  /** Messages the bot could not answer, because the session could not be loaded; said again. */
  readonly unanswered: number;
}

export interface BotReport {
  readonly counts: SaveCounts;
  /** Of the last 2 s. */
  readonly recent: LatencySummary;
  /** Since the start. */
  readonly total: LatencySummary;
}

/** The last change of a session that was acknowledged. */
export interface Acknowledged {
  readonly tenantId: string;
  readonly userId: string;
  readonly version: string;
  /** Null: cleared. */
  readonly state: ChatState | null;
  /** A later save was sent and never answered: the stores may rightly hold that one. */
  readonly isUncertain: boolean;
}

export type ToBot = { readonly kind: 'stop' };

export type FromBot =
  | { readonly kind: 'report'; readonly report: BotReport }
  | { readonly kind: 'memory'; readonly sessions: readonly Acknowledged[]; readonly isLast: boolean };
