// What a fault is, and whom it may hit.

/**
 * @typedef {object} Fault
 * @property {string} name
 * @property {number} weight how many times in a round of the deck
 * @property {(random: () => number, fleets: object) => string} target at most one fault at a time hits the same one
 * @property {(context: { world: object, random: () => number, target: string }) => Promise<object | void>} strike
 *   breaks it, and has healed it when its promise resolves; may return what the checker needs to know
 */

export const onRedis = () => 'redis';
