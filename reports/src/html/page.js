// What all parts share: elements made of text, the packed data, links, and which of the two views is shown.
// Text from reports and traces becomes part of the page through `el` and `svg` alone, as text: markup in it stays visible.

const harmful = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const printable = text => String(text).replace(harmful, c => `\\u{${c.codePointAt(0).toString(16)}}`);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) {
      node.setAttribute(name, value === true ? '' : printable(value));
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === '') continue;
    node.append(child instanceof Node ? child : document.createTextNode(printable(child)));
  }
  return node;
}
const el = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) =>
  fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
const $ = id => document.getElementById(id);

async function unpack(id) {
  const bytes = Uint8Array.from(atob($(id).textContent), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return JSON.parse(await new Response(stream).text());
}

const VERDICTS = ['pass', 'inconclusive', 'fail', 'error', 'skip'];
let index;
/** Positions in the index by name. */
let caseAt, ruleAt;
const sets = [];

const nameOf = (id, variant) => variant ? `${id}@${variant}` : id;
const seconds = us => (us / 1e6).toFixed(6);
const plural = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;
const lasting = us => us >= 1e6 ? `${(us / 1e6).toFixed(3)} s` : us >= 1e3 ? `${(us / 1e3).toFixed(3)} ms` : `${us} µs`;
/** The parts of releases in which they differ, for narrow columns. */
const shortRelease = run => index.runs[run].release;

/** A link within the page, whose hash holds these parameters. */
function hash(parameters) {
  const readable = text => encodeURIComponent(text).replace(/%(2F|40|2C|3A|3D)/g, decodeURIComponent);
  const parts = Object.entries(parameters).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  return '#' + parts.map(([name, value]) => `${name}=${readable(value)}`).join('&');
}
const caseLink = (name, run = 0, record) => hash({case: name, run: run || null, record});

/** The variant of this name: where its case and itself stand in the index. */
function find(name) {
  const [id, variant = ''] = name.split(/@(.*)/s);
  const at = caseAt.get(id);
  const number = at === undefined ? -1 : index.cases[at].variants.findIndex(other => other.name === variant);
  return number < 0 ? null : {at, number, file: index.cases[at], variant: index.cases[at].variants[number]};
}

let lastMain = '#';

function route() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const name = parameters.get('case');
  $('case').hidden = name === null;
  $('all').hidden = name !== null;
  if (name !== null) {
    showCase(name, Number(parameters.get('run') ?? 0), parameters.get('record'));
    return;
  }
  lastMain = location.hash || '#';
  document.title = mainTitle;
  setFilter(parameters);
  const section = location.hash.match(/^#(cases|claims|coverage|kernels)$/);
  if (section) $(section[1]).scrollIntoView();
  else focusGrid();
}
const mainTitle = document.title;

function isTyping(event) {
  return event.target.matches('input, select, textarea') || event.ctrlKey || event.altKey || event.metaKey;
}

addEventListener('keydown', event => {
  if (!index) return;
  if (event.key === 'Escape' && !$('case').hidden) {
    location.hash = lastMain;
  } else if (event.key === '/' && !isTyping(event)) {
    if (!$('case').hidden) location.hash = lastMain;
    // The grid is drawn when the hash has changed.
    setTimeout(() => $('search').focus());
  } else if (!$('case').hidden && !isTyping(event)) {
    if (!caseKey(event)) return;
  } else return;
  event.preventDefault();
});

addEventListener('DOMContentLoaded', async () => {
  try {
    index = await unpack('index');
    caseAt = new Map(index.cases.map((file, at) => [file.id, at]));
    ruleAt = new Map(index.rules.map((rule, at) => [rule.id, at]));
    sets.push(...index.sets.map(set => new Set(set)));
    buildGrid();
    tree();
    route();
    addEventListener('hashchange', route);
    buildClaims();
    buildCoverage();
    buildKernels();
    // Sections that a link names may have been drawn after it was followed.
    if (/^#(claims|coverage|kernels)$/.test(location.hash)) route();
  } catch (error) {
    $('trouble').hidden = false;
    $('trouble').textContent = `The packed data cannot be read: ${error}. A browser of 2023 or later can ` +
      '(DecompressionStream); if this is one, the file is damaged.';
    throw error;
  }
});
