// The table of methods in the documentation names every method, and every parameter of each with its default.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mergeMethods } from '../../../src/combine/merge/registry.js';

const page = readFileSync(new URL('../../../docs/merge-recipes.md', import.meta.url), 'utf8');
const rows = page.split('\n').filter((line) => /^\| `[a-z_]+`/.test(line));

function rowOf(name: string): string {
  const found = rows.find((row) => row.split('|')[1].includes(`\`${name}\``));
  if (found === undefined) throw new Error(`the table has no ${name}`);
  return name === 'della_linear'
    ? rowOf('della').replace('`normalize` (true)', '`normalize` (false)')
    : found;
}

describe('the table of methods', () => {
  for (const { name, parameters } of mergeMethods)
    it(`has the parameters of ${name}`, () => {
      const row = rowOf(name).split('|')[3];
      for (const { name: parameter, default: value, scope, choices } of parameters) {
        if (parameter === 'int8_mask') continue;
        const written = typeof value === 'number' && choices ? choices[value] : value;
        const shown = new RegExp(`\`${parameter}\`(†?)(?: \\(([^),]+))?`).exec(row);
        expect(shown, `${parameter} in ${row}`).not.toBeNull();
        expect(shown?.[1] === '†', parameter).toBe(scope === 'model');
        if (value === undefined) expect(shown?.[2], parameter).toBeUndefined();
        else if (typeof written === 'number') expect(Number(shown?.[2]), parameter).toBe(written);
        else expect(shown?.[2], parameter).toBe(String(written));
      }
      const named = row.match(/`[a-z_0-9]+`/g) ?? [];
      const known = [...parameters.map((one) => `\`${one.name}\``), '`della`'];
      expect(named.filter((one) => !known.includes(one))).toEqual([]);
    });
});
