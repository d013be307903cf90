/** What the bot remembers of one user. Plain JSON, so that both stores can hold it. */
export interface ChatState {
  readonly step: 'greeted' | 'ordering' | 'paying' | 'paid';
  readonly cart: readonly CartItem[];
  /** The last few messages, newest last. */
  readonly transcript: readonly string[];
  readonly paidOrders: number;
  readonly updatedAtMs: number;
}

export interface CartItem {
  readonly dish: string;
  readonly priceCents: number;
  readonly quantity: number;
}

export interface Reply {
  readonly text: string;
  /** What the user may answer, as the buttons below the message. */
  readonly choices: readonly string[];
}

export interface Turn {
  readonly reply: Reply;
  /** Undefined: the conversation is over and is to be forgotten. */
  readonly state: ChatState | undefined;
}

const menu: Readonly<Record<string, number>> = { arepa: 450, empanada: 300, café: 180, jugo: 250 };
const TRANSCRIPT_LENGTH = 6;

const replies = {
  greeted: { text: 'Hello! Would you like to see the menu?', choices: ['menu', 'bye'] },
  ordering: {
    text: 'What would you like?',
    choices: [...Object.keys(menu), ...Object.keys(menu), 'pay', 'cancel'],
  },
  paying: { text: 'Card or cash?', choices: ['card', 'cash', 'menu'] },
  paid: { text: 'Thank you! Anything else?', choices: ['menu', 'menu', 'bye'] },
} as const satisfies Record<ChatState['step'], Reply>;

/** One turn of the conversation: what to answer, and what to remember. Pure. */
export function converse(state: ChatState | undefined, text: string, nowMs: number): Turn {
  if (text === 'bye') return { reply: { text: 'Goodbye!', choices: ['hello'] }, state: undefined };
  const known = state ?? { step: 'greeted', cart: [], transcript: [], paidOrders: 0, updatedAtMs: nowMs };
  const next = state ? advance(known, text) : known;
  const reply = replies[next.step];
  return {
    reply,
    state: {
      ...next,
      transcript: [...known.transcript, `user: ${text}`, `bot: ${reply.text}`].slice(-TRANSCRIPT_LENGTH),
      updatedAtMs: nowMs,
    },
  };
}

function advance(state: ChatState, text: string): ChatState {
  const priceCents = menu[text];
  if (priceCents !== undefined) {
    return { ...state, step: 'ordering', cart: addToCart(state.cart, { dish: text, priceCents }) };
  }
  switch (text) {
    case 'menu':
      return { ...state, step: 'ordering' };
    case 'cancel':
      return { ...state, step: 'greeted', cart: [] };
    case 'pay':
      return { ...state, step: state.cart.length > 0 ? 'paying' : 'ordering' };
    case 'card':
    case 'cash':
      return { ...state, step: 'paid', cart: [], paidOrders: state.paidOrders + 1 };
    default:
      return state;
  }
}

function addToCart(cart: readonly CartItem[], { dish, priceCents }: Omit<CartItem, 'quantity'>): CartItem[] {
  const present = cart.find((item) => item.dish === dish);
  if (!present) return [...cart, { dish, priceCents, quantity: 1 }];
  return cart.map((item) => (item === present ? { ...item, quantity: item.quantity + 1 } : item));
}
