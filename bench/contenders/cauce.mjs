import { createSessionClient } from '@cauce/session-client';
import { refOf } from '../workload/users.mjs';

export const CAUCE = 'saveUserState';

/** The bot's own client with its defaults. */
export async function openCauce({ redisUrl }, options = {}) {
  const client = createSessionClient({ redis: redisUrl, ...options });
  return {
    name: CAUCE,
    save: (user, { state }) => client.saveUserState(refOf(user), state),
    load: (user) => client.getUserState(refOf(user)),
    cleanUp: async () => {},
    close: () => client.close(),
  };
}
