import { ServerError } from '@cauce/dev-services';
import { isCauceError } from '@cauce/protocol';
import { ConfigurationError } from '@cauce/settings';
import { ChildFailure } from './child-failure.ts';
import { StoreFailure } from './open-stores.ts';

const onPurpose = [ChildFailure, StoreFailure, ServerError, ConfigurationError];

/** An error as a person needs it: what was thrown on purpose says all in its message. */
export function describeFailure(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describeFailure).join('\n');
  if (isCauceError(error) || onPurpose.some((known) => error instanceof known))
    return (error as Error).message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** 2 for settings somebody has to change, as everywhere in Cauce; 1 for the rest. */
export function exitCodeOf(error: unknown): number {
  return error instanceof ConfigurationError ? 2 : 1;
}
