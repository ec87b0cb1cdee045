/** Making elements; text is always text. */

export const byId = (id) => document.getElementById(id);

/** @param properties - of the element; `data` and `aria` are attributes. */
export function make(tag, { data = {}, aria = {}, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(aria)) element.setAttribute(`aria-${name}`, value);
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** What went wrong and how to mend it. */
export function complaint({ problem, hint }) {
  return make(
    'div',
    { className: 'complaint' },
    make('p', { textContent: problem }),
    hint ? make('p', { className: 'hint' }, make('b', { textContent: 'What to do: ' }), hint) : undefined,
  );
}
