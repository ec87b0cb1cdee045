import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecipeError } from '../../../src/merge/errors.js';
import { mergeRecipe } from '../../../src/merge/merge.node.js';
import { ExpressionError, parseExpression } from '../../../src/merge/recipe/expression.js';
import { parseRecipe } from '../../../src/merge/recipe/parse.js';
import { f32, type RawTensor, readTensors, valuesOf, writeModelFolder } from '../model-files.js';
import { temporaryFolder, uniform } from '../stream/fixtures.js';

const NAMES = ['a', 'b', 'c_1'];

/** Text of an expression, and its value where every model is a number. */
interface Made {
  readonly text: string;
  readonly value: (models: readonly number[]) => number;
}

const number = fc.integer({ min: 1, max: 40 }).map((n) => n / 8);
const model: fc.Arbitrary<Made> = fc
  .nat(NAMES.length - 1)
  .map((i) => ({ text: NAMES[i], value: (models: readonly number[]) => models[i] }));
const sums = fc.letrec<{ expression: Made }>((tie) => ({
  expression: fc.oneof(
    { depthSize: 'small' },
    model,
    fc.tuple(tie('expression'), tie('expression'), fc.boolean()).map(([x, y, plus]) => ({
      text: `${x.text} ${plus ? '+' : '-'} (${y.text})`,
      value: (models: readonly number[]) => x.value(models) + (plus ? 1 : -1) * y.value(models),
    })),
    fc.tuple(number, tie('expression')).map(([n, x]) => ({
      text: `${n}*(${x.text})`,
      value: (models: readonly number[]) => n * x.value(models),
    })),
    fc.tuple(number, tie('expression')).map(([n, x]) => ({
      text: `-(${x.text}) / ${n}`,
      value: (models: readonly number[]) => -x.value(models) / n,
    })),
  ),
})).expression;

describe('model arithmetic', () => {
  it('gives the weights with which models sum to what the text says', () => {
    fc.assert(
      fc.property(sums, ({ text, value }) => {
        const models = [3, -7, 11];
        let weights: ReadonlyMap<string, number>;
        try {
          weights = parseExpression(text, NAMES);
        } catch (error) {
          expect((error as ExpressionError).message).toBe('leaves no model');
          expect(value(models)).toBeCloseTo(0, 9);
          return;
        }
        const sum = [...weights].reduce((total, [name, w]) => total + w * models[NAMES.indexOf(name)], 0);
        expect(Math.abs(sum - value(models))).toBeLessThanOrEqual(1e-9 * (1 + Math.abs(value(models))));
      }),
      { seed: 5, numRuns: 400 },
    );
  });

  it('binds products before sums, from left to right', () => {
    expect([...parseExpression('a - b - c_1/4*2 + 2e-1 * -a', NAMES)]).toEqual([
      ['a', 0.8],
      ['b', -1],
      ['c_1', -0.5],
    ]);
  });

  for (const [text, column, message] of [
    ['a + ', 5, /ends too early/],
    ['a b', 3, /has "b"/],
    ['a + d', 5, /names "d", which is not a model/],
    ['a * b', 3, /multiplies two models/],
    ['a / b', 3, /divides by a model/],
    ['a / (1 - 1)', 3, /divides by 0/],
    ['(a + b', 7, /ends too early/],
    ['a + 1', 1, /adds the number 1/],
    ['a - a', 1, /leaves no model/],
    ['a ^ 2', 3, /has "\^"/],
    ['', 1, /ends too early/],
    [`${'('.repeat(100)}a`, 65, /nested too deeply/],
  ] as const)
    it(`refuses ${JSON.stringify(text.slice(0, 12))} at its place`, () => {
      const parse = () => parseExpression(text, NAMES);
      expect(parse).toThrow(ExpressionError);
      expect(parse).toThrow(message);
      expect(parse).toThrow(expect.objectContaining({ column }));
    });
});

describe('recipes with an expression', () => {
  const recipe = (expression: string, more = '') =>
    `merge_method: expression\nexpression: ${expression}\nmodels:\n  base: ./base\n  chat: {model: {path: chat}}\n  code: code\n${more}`;
  const problemOf = (text: string) => {
    try {
      parseRecipe(text, { source: 'r.yml' });
    } catch (error) {
      if (error instanceof RecipeError) return error.problems[0];
      throw error;
    }
    return undefined;
  };

  it('merge to what it says', async () => {
    const folder = await temporaryFolder();
    const values = ['base', 'chat', 'code'].map((name, k) => {
      const x = uniform(50, k + 1);
      writeModelFolder(join(folder, name), { w: f32([5, 10], x) });
      return x;
    });
    const out = join(folder, 'out');
    const text = recipe('base + 0.5 * (chat - base) - 0.2 * (code - base)');
    const summary = await mergeRecipe(text, out, { baseFolder: folder });
    expect(summary.models).toEqual(['base', 'chat', 'code']);
    const [b, a, c] = values;
    const got = valuesOf(readTensors(out).get('w') as RawTensor);
    const want = Array.from(b, (x, i) => x + 0.5 * (a[i] - x) - 0.2 * (c[i] - x));
    expect(Math.max(...want.map((x, i) => Math.abs(x - got[i])))).toBeLessThan(2 ** -23);
  });

  it('name line, character and mend of what is wrong', () => {
    expect(problemOf(recipe('base + chta'))).toMatchObject({
      className: 'bad_recipe',
      line: 2,
      path: 'expression',
      message: 'names "chta", which is not a model here (character 8 of "base + chta")',
      hint: 'models: base, chat, code',
    });
    expect(problemOf(recipe('base', 'base_model: x\n'))).toMatchObject({ path: 'base_model', line: 7 });
    expect(problemOf(recipe('base').replace('expression:', 'expresion:'))).toMatchObject({
      className: 'unknown_key',
      hint: 'did you mean "expression"?',
    });
    expect(problemOf('merge_method: linear\nexpression: a\nmodels: [{model: a}]\n')?.message).toMatch(
      /goes with the method/,
    );
    expect(problemOf('merge_method: expression\nexpression: a\nmodels: [{model: a}]\n')?.message).toMatch(
      /map of names/,
    );
    expect(parseRecipe(recipe('base - chat')).warnings).toEqual([
      'models.code is not in the result of the expression',
    ]);
  });
});
