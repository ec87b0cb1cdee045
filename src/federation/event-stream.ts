import type { RunEvent } from './events.js';

/** Events of a run for any number of readers; a reader that comes late sees the first and the most recent ones. */
export interface EventStream extends AsyncIterable<RunEvent> {
  /** Hands an event to every reader; without effect after `end`. */
  push(event: RunEvent): void;
  /** Readers stop after the events that were pushed before. */
  end(): void;
}

/** Events kept for a reader that has not come yet; a run that nobody watches must not grow. */
const kKept = 128;

/** Every reader has a queue of its own, from its first `next` until it leaves: a slow one loses nothing. */
export function createEventStream(): EventStream {
  const kept: RunEvent[] = [];
  const readers = new Set<() => void>();
  const queues = new Set<RunEvent[]>();
  let ended = false;
  const wake = (): void => {
    for (const reader of readers) reader();
    readers.clear();
  };
  return {
    push(event) {
      if (ended) return;
      kept.push(event);
      // The start event stays first: it says what the others mean.
      if (kept.length > kKept) kept.splice(1, 1);
      for (const queue of queues) queue.push(event);
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    async *[Symbol.asyncIterator]() {
      const queue = [...kept];
      queues.add(queue);
      try {
        for (;;) {
          const event = queue.shift();
          if (event) yield event;
          else if (ended) return;
          else await new Promise<void>((resolve) => readers.add(resolve));
        }
      } finally {
        queues.delete(queue);
      }
    },
  };
}
