/** Names of the package's entries. */
import { describe, expect, it } from 'vitest';
import { mergeMethods } from '../../src/combine/merge/registry.js';
import { toCamel } from '../../src/config/names.js';
import * as main from '../../src/index.js';
import * as mainWeb from '../../src/index.web.js';
import * as merge from '../../src/merge/index.js';
import * as mergeWeb from '../../src/merge/index.web.js';

type Names = Readonly<Record<string, unknown>>;
/** In the main entry a reduction of client updates, in `heddle/merge` a merge of models. */
const REDUCTIONS = ['modelStock', 'sce', 'ties'];
/** What runs in Node and in a browser, each with what the place has. */
const OWN_BY_PLACE = ['simulate', 'startSimulation'];

describe('entries', () => {
  it('heddle and heddle/merge mean the same by a name, but for the reductions', () => {
    const [a, b]: Names[] = [main, merge];
    const shared = Object.keys(a).filter((name) => name in b);
    expect(shared).toEqual(
      expect.arrayContaining(['mergeModels', 'mergeRecipe', 'slerp', 'linear', 'MergeError']),
    );
    expect(shared.filter((name) => a[name] !== b[name]).sort()).toEqual(REDUCTIONS);
  });

  it('a browser has nothing that Node has not', () => {
    for (const [node, web] of [
      [main, mainWeb],
      [merge, mergeWeb],
    ] as [Names, Names][])
      expect(
        Object.keys(web).filter((name) => web[name] !== node[name] && !OWN_BY_PLACE.includes(name)),
      ).toEqual([]);
  });

  it('heddle/merge has a function for every method', () => {
    const functions: Names = mergeWeb;
    for (const { name } of mergeMethods) expect(typeof functions[toCamel(name)], name).toBe('function');
  });

  it('the snippet of two models and a way between them needs the main entry alone', () => {
    const names: Names = main;
    for (const name of ['readModel', 'slerp', 'writeModel'])
      expect(typeof names[name], name).toBe('function');
  });
});
