// Every pause after a failure, in one place: together they say how long a fault is felt after it has ended.
import type { Backoff } from './backoff.ts';

/** Of one connection to Redis. Two seconds at most, because bots are refused until it is back. */
export const REDIS_CONNECTION_BACKOFF: Backoff = { firstMs: 100, maxMs: 2000, jitter: 0.5 };

/** Of the connection to one sentinel. Fixed: the others are asked meanwhile. */
export const SENTINEL_RETRY_MS = 1000;

/** Of a sync that ended early because of Redis. Short and fixed: the connection below it waits longer by itself. */
export const REDIS_RETRY_MS = 500;

/** Of PostgreSQL, one batch at a time. Sessions wait in Redis meanwhile, so an outage of hours is not hurried. */
export const POSTGRES_BACKOFF: Backoff = { firstMs: 200, maxMs: 10_000, jitter: 0.5 };

/** The same for an operator's command: a person waits for it. */
export const ADMIN_POSTGRES_BACKOFF: Backoff = { ...POSTGRES_BACKOFF, maxMs: 2000 };

/** Longest pause of a parked session. Those who read a record's time rely on it: see isHeldBack and sweep.lua. */
export const MAX_PARK_BACKOFF_MS = 3_600_000;

/**
 * Of a session that PostgreSQL refuses. Long: a person has to correct the row or the table. Without jitter: a sweep finds
 * those that are due, however many come due together.
 */
export const PARK_BACKOFF: Backoff = { firstMs: 30_000, maxMs: MAX_PARK_BACKOFF_MS, jitter: 0 };

/** Of an update that lost against another save. All of it is chance: those who collided should not collide again. */
export const CONFLICT_BACKOFF: Backoff = { firstMs: 4, maxMs: 250, jitter: 1 };

/**
 * Of a call that waits for a partition that is being moved from one store to the other: that takes a few round trips to
 * PostgreSQL.
 */
export const MOVE_BACKOFF: Backoff = { firstMs: 20, maxMs: 100, jitter: 0.5 };

/** Of the loader, to confirm a session that Redis has. No load waits for it meanwhile: what Redis has is served. */
export const LOADER_RETRY_MS = 5000;
