import type { ClientState } from '../update/stage.js';

/** Persistent values by (client, slot name). Memory grows with the clients that were ever in a cohort, not with the population. */
export interface ClientStateStore {
  of(client: number): ClientState;
  /** Clients that hold anything. */
  readonly size: number;
}

export function createClientStateStore(): ClientStateStore {
  const store = new Map<number, Map<string, unknown>>();
  return {
    of: (client) => ({
      get: <T>(slot: string) => store.get(client)?.get(slot) as T | undefined,
      set(slot, value) {
        let slots = store.get(client);
        if (!slots) {
          slots = new Map();
          store.set(client, slots);
        }
        slots.set(slot, value);
      },
    }),
    get size() {
      return store.size;
    },
  };
}
