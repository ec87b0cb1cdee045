import { describe, expect, it } from 'vitest';
import { createEventStream, type EventStream } from '../../src/federation/event-stream.js';
import { EVENT_SCHEMA, type RunEvent } from '../../src/federation/events.js';

const event = (round: number): RunEvent => ({
  schema: EVENT_SCHEMA,
  event: 'round',
  round,
  step: round,
  time: 1_700_000_000 + round,
  metrics: {},
});

async function roundsOf(stream: EventStream): Promise<number[]> {
  const rounds: number[] = [];
  for await (const { round } of stream) rounds.push(round);
  return rounds;
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the event stream', () => {
  it('hands every event to every reader, in order, whenever the reader came', async () => {
    const stream = createEventStream();
    const early = roundsOf(stream);
    stream.push(event(0));
    await settle();
    const middle = roundsOf(stream);
    stream.push(event(1));
    stream.push(event(2));
    stream.end();
    const late = roundsOf(stream);
    for (const reader of [early, middle, late]) expect(await reader).toEqual([0, 1, 2]);
  });

  it('delivers while the run goes on, not at its end', async () => {
    const stream = createEventStream();
    const reader = stream[Symbol.asyncIterator]();
    const first = reader.next();
    await settle();
    stream.push(event(7));
    expect((await first).value).toMatchObject({ round: 7 });
    const second = reader.next();
    stream.end();
    expect((await second).done).toBe(true);
  });

  it('keeps the first and the latest 127 events for a late reader, so that an unwatched run does not grow', async () => {
    const stream = createEventStream();
    for (let round = 0; round < 5000; round++) stream.push(event(round));
    stream.end();
    const rounds = await roundsOf(stream);
    expect(rounds).toHaveLength(128);
    expect(rounds[0]).toBe(0);
    expect(rounds.slice(1)).toEqual(Array.from({ length: 127 }, (_, i) => 5000 - 127 + i));
  });

  it('loses nothing for a reader that is slower than the run', async () => {
    const stream = createEventStream();
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { round } of stream) {
        seen.push(round);
        if (round % 500 === 0) await settle();
      }
    })();
    await settle();
    for (let round = 0; round < 3000; round++) stream.push(event(round));
    stream.end();
    await reading;
    expect(seen).toEqual(Array.from({ length: 3000 }, (_, i) => i));
  });

  it('goes on for the others when one reader leaves', async () => {
    const stream = createEventStream();
    const leaves = (async () => {
      for await (const { round } of stream) if (round === 1) return;
    })();
    const stays = roundsOf(stream);
    for (let round = 0; round < 4; round++) {
      stream.push(event(round));
      await settle();
    }
    await leaves;
    stream.end();
    expect(await stays).toEqual([0, 1, 2, 3]);
  });

  it('takes nothing after its end, which may come twice', async () => {
    const stream = createEventStream();
    stream.push(event(0));
    stream.end();
    stream.end();
    stream.push(event(1));
    expect(await roundsOf(stream)).toEqual([0]);
  });
});
