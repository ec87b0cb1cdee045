/** Every golden case: what its plan must say before a value is read. Expected outputs were made by the reference tool. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MergeError } from '../../../src/merge/errors.js';
import { GOLDEN, planCase, readFacts } from './golden.js';

interface Case {
  readonly name: string;
  readonly kind: string;
  readonly expected_error?: string;
}

const cases = readdirSync(GOLDEN)
  .filter((name) => /^(config|llama|tokenizer)-/.test(name))
  .map((name) => JSON.parse(readFileSync(join(GOLDEN, name, 'case.json'), 'utf8')) as Case);

describe('golden recipes that must fail', () => {
  const failing = cases.filter(({ expected_error }) => expected_error !== undefined);
  it('are all here', () => expect(failing).toHaveLength(8));
  for (const { name, expected_error } of failing)
    it(`${name} is refused as ${expected_error}`, () => {
      let thrown: unknown;
      try {
        planCase(name);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(MergeError);
      const { className, code, hint } = thrown as MergeError;
      expect(className).toBe(expected_error);
      expect(code).toBe(`ERR_MERGE_${expected_error?.toUpperCase()}`);
      expect(hint).not.toBe('');
    });
});

describe('golden recipes that must be planned', () => {
  const planned = cases.filter(({ expected_error }) => expected_error === undefined);
  it('are all here', () => expect(planned.length).toBeGreaterThanOrEqual(11));
  for (const { name } of planned)
    it(`${name} has the tensors, shapes, types and configuration of the expected model`, () => {
      const plan = planCase(name, { allowSubmatrix: name === 'llama-vocab-mismatch-linear' });
      const expected = readFacts(join(GOLDEN, name, 'expected'));
      const got = new Map(plan.outputs.map(({ name: tensor, dtype, shape }) => [tensor, { dtype, shape }]));
      expect(Object.fromEntries(got)).toEqual(Object.fromEntries(expected.tensors));
      for (const key of ['num_hidden_layers', 'torch_dtype', 'vocab_size'])
        expect(plan.config?.[key]).toBe(expected.config?.[key]);
    });
});
