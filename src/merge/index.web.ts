/** `heddle/merge` in a browser: methods, recipes over files that a page was given, growth. */
export * from './exports.js';
