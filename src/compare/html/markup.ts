// Text for HTML: whatever is put into a template is escaped, so that no label, note or failure can become markup.

/** What is HTML already. Only {@link markup} and {@link raw} make it. */
export class Markup {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
}

export type Part = string | number | Markup | null | readonly Part[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For text and for attributes in quotes. Control characters, which HTML forbids, become a mark. */
export function escape(text: string): string {
  return (
    text
      // eslint-disable-next-line no-control-regex -- these are what is looked for
      .replaceAll(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/g, '\ufffd')
      .replaceAll(/[&<>"']/g, (character) => entities[character])
  );
}

function textOf(part: Part): string {
  if (part === null) return '';
  if (part instanceof Markup) return part.text;
  if (typeof part === 'object') return part.map(textOf).join('');
  return escape(String(part));
}

/** A template of HTML: its own text is markup, what is put in is not, unless it was made here. Null gives nothing. */
export function markup(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.reduce((text, piece, i) => text + textOf(parts[i - 1] ?? null) + piece));
}

/** Text of this program that is markup as it stands: styles and scripts. */
export function raw(text: string): Markup {
  return new Markup(text);
}

/** Data for a script element: nothing in it ends the element. */
export function scriptData(value: unknown): Markup {
  return raw(JSON.stringify(value).replaceAll('<', String.raw`\u003c`));
}
