/** The base of differences d = x - base, which need not be there. */
import { type Case, input, lengths } from '../define.js';

export const base = input('base', 'f32', 'n', { optional: true });

export const withBase: Case[] = lengths().flatMap((each): Case[] => [each, { ...each, with_base: 0 }]);
