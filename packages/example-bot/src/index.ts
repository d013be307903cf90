/** The part of the demo that a bot of your own would look like, and the proof at the end of it. */
export { type Bot, type BotSessions, createBot } from './bot.ts';
export type { Acknowledged } from './bot-messages.ts';
export { type ComparedStores, type Comparison, compareStores } from './compare-stores.ts';
export type { CartItem, ChatState, Reply } from './conversation.ts';
