/** README.md of a merged model: front matter as model hubs read it, what was merged, and the recipe. */
import { version } from '../version.js';
import type { MergePlan } from './plan.js';

/** First line behind the front matter: a README.md without it was written by somebody else. */
export const CARD_MARK = '<!-- written by heddle merge -->';

export function modelCard(plan: MergePlan, recipe: string): string {
  const models = plan.models.filter(({ sidecar }) => sidecar === undefined).map(({ reference }) => reference);
  const methods = [...new Set(plan.outputs.flatMap(({ method }) => method ?? []))];
  const parameters = plan.outputs.reduce(
    (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
    0,
  );
  // JSON strings are YAML strings.
  const front = ['---', 'base_model:', ...models.map((model) => `- ${JSON.stringify(model)}`)];
  return [
    ...[...front, 'library_name: transformers', 'tags:', '- merge', '- heddle', '---', CARD_MARK, ''],
    ...[
      '# Merged model',
      '',
      `Made by heddle ${version}: ${parameters.toLocaleString('en-US')} parameters.`,
      '',
    ],
    ...['## Models', '', ...models.map((model) => `* ${inline(model)}`), ''],
    ...(methods.length === 0 ? [] : ['## Method', '']),
    ...methods.map(({ name, reference }) => `* ${inline(name)}: ${reference}`),
    ...(methods.length === 0 ? [] : ['']),
    ...['## Recipe', '', ...fenced(recipe), ''],
  ].join('\n');
}

/** Code in a line, whatever ticks the text has. */
function inline(text: string): string {
  const ticks = '`'.repeat(longestTicks(text) + 1);
  const room = text.startsWith('`') || text.endsWith('`') ? ' ' : '';
  return `${ticks}${room}${text.replaceAll('\n', ' ')}${room}${ticks}`;
}

function fenced(text: string): string[] {
  const fence = '`'.repeat(Math.max(3, longestTicks(text) + 1));
  return [`${fence}yaml`, text.trimEnd(), fence];
}

function longestTicks(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
}
