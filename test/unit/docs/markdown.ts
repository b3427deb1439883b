/**
 * Reads from a Markdown text what can be wrong about it: links, anchors, code. Enough of the format for our own documents, no more.
 */
export interface Document {
  /** Destinations of links and images, without those inside code. */
  links: { to: string; line: number }[];
  /** What a link may name after `#`, as GitHub makes it from headings. */
  anchors: Set<string>;
  /** `inline code` outside of fences. */
  spans: { text: string; line: number }[];
  fences: { language: string; text: string; line: number }[];
}

export function readMarkdown(text: string): Document {
  const found: Document = { links: [], anchors: new Set(), spans: [], fences: [] };
  let fence: { language: string; lines: string[]; line: number } | null = null;
  for (const [index, line] of text.split('\n').entries()) {
    const mark = /^\s*```(\w*)/.exec(line);
    if (mark && fence) {
      found.fences.push({ language: fence.language, text: `${fence.lines.join('\n')}\n`, line: fence.line });
      fence = null;
    } else if (mark) fence = { language: mark[1] ?? '', lines: [], line: index + 1 };
    else if (fence) fence.lines.push(line);
    else readLine(line, index + 1, found);
  }
  if (fence) throw new Error(`a code fence that opens in line ${fence.line} is not closed`);
  return found;
}

function readLine(line: string, number: number, found: Document): void {
  const heading = /^#+ (.*)$/.exec(line)?.[1];
  if (heading) addAnchor(heading, found.anchors);
  const prose = line.replace(/`([^`]+)`/g, (_, text: string) => {
    found.spans.push({ text, line: number });
    return '`';
  });
  for (const match of prose.matchAll(/\]\(([^)\s]+)\)/g)) found.links.push({ to: match[1] ?? '', line: number });
}

function addAnchor(heading: string, anchors: Set<string>): void {
  const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
  const slug = plain.replace(/[^\p{L}\p{N} _-]/gu, '').replace(/ /g, '-');
  let unique = slug;
  for (let n = 1; anchors.has(unique); n += 1) unique = `${slug}-${n}`;
  anchors.add(unique);
}

/** Commands of a shell example: no prompts, no comments, continuation lines joined, pipelines and `&&` split. */
export function commandsOf(text: string): string[] {
  return text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, '').replace(/^\s*[$#] /, ''))
    .flatMap((line) => line.split(/&&|\||;/))
    .map((command) => command.trim())
    .filter((command) => command !== '');
}
