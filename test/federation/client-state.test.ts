import { expect, it } from 'vitest';
import { createClientStateStore } from '../../src/federation/client-state.js';

it('client state is kept by client and slot, and grows with what was set alone', () => {
  const store = createClientStateStore();
  for (let client = 0; client < 1000; client++) expect(store.of(client).get('control')).toBeUndefined();
  expect(store.size).toBe(0);
  store.of(5).set('control', 1);
  store.of(5).set('positions', 2);
  store.of(6).set('control', 3);
  expect(store.size).toBe(2);
  expect([store.of(5).get('control'), store.of(5).get('positions'), store.of(6).get('control')]).toEqual([
    1, 2, 3,
  ]);
  expect(store.of(6).get('positions')).toBeUndefined();
  const held = store.of(7);
  store.of(7).set('control', 4);
  expect(held.get('control')).toBe(4);
});
