import { createSessionClient, type SessionLoader } from '@cauce/session-client';
import type { Servers } from '../servers.ts';
import type { ChatState } from '../workload/states.ts';
import { untilFloorsPass } from '../workload/until-floors-pass.ts';
import { refOf } from '../workload/users.ts';

export const CAUCE = 'saveUserState';

/** The bot's own client with its defaults. */
export async function openCauce(
  { redisUrl }: Pick<Servers, 'redisUrl'>,
  options: { readonly loader?: SessionLoader } = {},
) {
  await untilFloorsPass(redisUrl);
  const client = createSessionClient<ChatState>({ redis: redisUrl, ...options });
  return {
    name: CAUCE,
    save: (user: number, { state }: { readonly state: ChatState }) =>
      client.saveUserState(refOf(user), state),
    load: (user: number) => client.getUserState(refOf(user)),
    cleanUp: async () => {},
    close: () => client.close(),
  };
}
