import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dottedPath, nearest, toCamel, toKebab } from '../../src/config/names.js';
import { configSchema } from '../../src/federation/config/schema.js';
import { allKeys } from '../../src/federation/config/walk.js';

const word = fc.stringMatching(/^[a-z]{1,8}$/);

describe('spellings', () => {
  it('kebab, snake and camel case of the same words are one key', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), (words) => {
        const [first = '', ...rest] = words;
        const camel = first + rest.map((w) => w.charAt(0).toUpperCase() + w.slice(1)).join('');
        expect(toCamel(words.join('-'))).toBe(camel);
        expect(toCamel(words.join('_'))).toBe(camel);
        expect(toCamel(camel)).toBe(camel);
        expect(toKebab(camel)).toBe(words.join('-'));
      }),
      { seed: 2 },
    );
  });

  it('every key of the configuration survives the round trip', () => {
    const names = allKeys(configSchema).map((key) => key.name);
    expect(names.length).toBeGreaterThan(80);
    for (const name of names) expect(toCamel(toKebab(name))).toBe(name);
  });

  it.each(['Local-Epochs', 'local--epochs', '-lr', 'lr-', 'l.r', ''])(
    '%j is no spelling of a key',
    (text) => {
      expect(toCamel(text)).toBe(text);
    },
  );
});

it('paths show list places in brackets', () => {
  expect(dottedPath(['update', 'pipeline', 1, 'gaussianNoise', 'noiseMultiplier'])).toBe(
    'update.pipeline[1].gaussian-noise.noise-multiplier',
  );
});

it('the nearest name is offered only when it is near', () => {
  const keys = ['seed', 'name', 'numServerRounds'];
  expect(nearest('sede', keys)).toBe('seed');
  expect(nearest('numServerRound', keys)).toBe('numServerRounds');
  expect(nearest('temperature', keys)).toBeUndefined();
  expect(nearest('x', [])).toBeUndefined();
});
