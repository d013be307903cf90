// What Redis may be in a run.
import type { RedisCluster, RedisServer, SentinelGroup, TcpProxy } from '@cauce/dev-services';
import type { RedisConnection } from '@cauce/protocol';

export type FleetName = 'bots' | 'consumers';

/** What a run needs of its Redis, whatever it consists of. */
interface AnyStore {
  /** Past the proxies: the harness' own hand; waits and repeats. */
  readonly admin: RedisConnection;
  urlFor(who: FleetName | 'harness'): string;
  flushScripts(): Promise<unknown>;
  /** Until a replica, if there is one, has what was written. */
  untilReplicated(partition: number): Promise<unknown>;
  close(): Promise<void>;
}

export interface SingleServer extends AnyStore {
  readonly kind: 'single';
  readonly redis: RedisServer;
  /** Each fleet reaches it through a proxy of its own. */
  readonly links: Readonly<Record<FleetName, TcpProxy>>;
}

export interface SentinelStore extends AnyStore {
  readonly kind: 'sentinel';
  readonly group: SentinelGroup;
}

export interface ClusterStore extends AnyStore {
  readonly kind: 'cluster';
  readonly cluster: RedisCluster;
  /** Of each partition. */
  readonly slots: readonly number[];
  slotOf(partition: number): number;
}

export type Store = SingleServer | SentinelStore | ClusterStore;
type Kind = Store['kind'];
type StoreOf<K extends Kind> = Extract<Store, { readonly kind: K }>;

/** For a fault that only this kind can have. @throws Error for another one */
export function storeOf<K extends Kind>(kind: K, { store }: { readonly store: Store }): StoreOf<K> {
  const isOfKind = (one: Store): one is StoreOf<K> => one.kind === kind;
  if (isOfKind(store)) return store;
  throw new Error(`a fault of ${kind} struck ${store.kind}`);
}
