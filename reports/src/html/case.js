// The page of one case variant on one kernel: purpose, findings, steps, ladder, timers, claims, rules.

let open = {at: -1, plays: null};
let current = null;
let allOptions = false;

async function showCase(name, run, record) {
  const found = find(name);
  const article = $('case');
  if (!found) {
    current = null;
    article.replaceChildren(back(), el('p', {class: 'notice', role: 'alert'}, `There is no case ${name} in this report.`));
    return;
  }
  current = {name, run: index.runs[run] ? run : 0, record: record === null ? null : Number(record), ...found};
  const wanted = current;
  if (open.at !== found.at) open = {at: found.at, plays: await unpack(`case-${found.at}`)};
  if (current !== wanted) return;
  drawCase();
  if (current.record === null) {
    scrollTo(0, 0);
    article.focus({preventScroll: true});
  }
}

const back = () => el('a', {href: lastMain, class: 'back'}, '← all cases');

function caseKey(event) {
  if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
    const to = neighbour(event.key === 'ArrowLeft' ? -1 : 1);
    if (to) location.hash = caseLink(to, current.run);
  } else if (event.key === 'o' && current) {
    allOptions = !allOptions;
    drawCase();
  } else if (/^[1-9]$/.test(event.key) && current && index.runs[event.key - 1]) {
    location.hash = caseLink(current.name, event.key - 1);
  } else return false;
  return true;
}

/** The variant before or after this one among those that the filter leaves. */
function neighbour(step) {
  const at = current ? shown.indexOf(current.name) : -1;
  return at < 0 ? null : shown[at + step];
}

function drawCase() {
  const {name, run, file, variant, number, record} = current;
  document.title = `${name} · ${index.runs[run].release}`;
  activeKey = `@${name}`;
  const cell = variant.runs[run];
  const play = open.plays[number][run];
  const go = (to, text, label) => to ? el('a', {href: caseLink(to, run), 'aria-label': label, title: to}, text) : el('span', {class: 'none'}, text);
  const kernels = index.runs.length > 1 && el('nav', {class: 'kernels', 'aria-label': 'kernels'}, index.runs.map((other, at) => {
    const verdict = variant.runs[at]?.verdict;
    return el('a', {href: caseLink(name, at), 'aria-current': at === run ? 'page' : null, title: other.title},
      other.release, ' ', el('span', {class: verdict ?? 'none'}, verdict ?? '–'));
  }));
  const parts = [
    el('nav', {class: 'crumbs', 'aria-label': 'cases'}, back(), ' ',
      go(neighbour(-1), '‹ previous', 'previous case'), ' ', go(neighbour(1), 'next ›', 'next case')),
    el('h1', {}, file.id, variant.name && el('span', {class: 'variant'}, `@${variant.name}`)),
    kernels,
    el('p', {class: 'purpose'}, play?.trace?.purpose ?? file.purpose),
  ];
  if (!play) parts.push(el('p', {class: 'notice'}, `It is not in the run on ${index.runs[run].title}.`));
  else parts.push(verdictLine(cell, run), (play.findings ?? []).map(findingCard), factsAndSteps(play), pictureOf(play, record),
    timers(play), predictionsOf(play), rulesOf(cell, play));
  $('case').replaceChildren(...parts.flat().filter(part => part));
  $('case').querySelector('g.hit')?.scrollIntoView({block: 'center'});
}

function verdictLine(cell, run) {
  return el('p', {class: 'verdict'}, el('strong', {class: cell.verdict}, cell.verdict.toUpperCase()), ` on ${index.runs[run].title}`,
    cell.ms > 0 && `, ${(cell.ms / 1000).toFixed(3)} s of its time`, cell.reason && el('span', {}, `: ${cell.reason}`));
}

const dl = (attributes, ...pairs) => el('dl', attributes, pairs.filter(pair => pair && pair[1] && pair[1].length !== 0)
  .map(([term, ...what]) => [el('dt', {}, term), el('dd', {}, what)]));

function findingCard(finding, number) {
  return el('section', {class: 'card', id: `finding-${number}`, 'aria-label': `finding ${number + 1}`},
    el('p', {}, el('strong', {class: 'fail'}, finding.rule), ` ${finding.statement}. `,
      el('span', {class: 'faint'}, [finding.level, finding.source].filter(text => text).join(', '))),
    dl({}, ['expected', finding.expected], ['actual', el('strong', {}, finding.actual)],
      ['where', el('a', {href: caseLink(current.name, current.run, finding.record)}, `record ${finding.record}`),
        ` at ${finding.at_seconds.toFixed(6)} s`, finding.place && `, ${finding.place}`],
      ['possible', finding.possible.join(', ')], ['hint', finding.hint]));
}

const commas = list => list.flatMap((item, at) => at ? [', ', item] : [item]);

function factsAndSteps(play) {
  const {variant, name} = current;
  const picture = play.trace;
  const topology = {crafted: 'one kernel, crafted peer', 'two-kernels': 'two kernels, relay between them',
    routed: 'two kernels, relay and router between them'};
  const ends = picture && picture.ends.map(end => el('div', {}, `${end.name} is ${end.local}, its peer ${end.remote}, MTU ${end.mtu}`));
  const sysctls = picture && picture.ends.flatMap(end => Object.entries(end.sysctls).map(([key, value]) =>
    el('div', {class: 'code'}, `${end.name}: net.ipv4.${key} = ${value}`)));
  const claims = variant.claims.map(id => {
    const of = play.predictions.filter(prediction => prediction.claim === id);
    const mark = of.some(({holds}) => holds === false) ? ' ✗' : of.some(({holds}) => holds) ? ' ✓' : '';
    return el('a', {href: hash({claim: id}), title: index.claims.find(claim => claim.id === id)?.says}, id + mark);
  });
  const requirements = variant.requirements.map(at => el('a', {href: hash({requirement: index.requirements[at]})}, index.requirements[at]));
  const facts = dl({class: 'facts'}, picture && ['topology', topology[picture.topology] ?? picture.topology], ends && ['endpoints', ...ends],
    sysctls && ['set otherwise than usual', ...sysctls], ['requirements', ...commas(requirements)], ['claims', ...commas(claims)],
    ['rerun', el('code', {}, `tcpconform run '${name}'`)]);
  const steps = picture && el('section', {class: 'steps', 'aria-label': 'steps'}, el('h2', {}, 'Steps'),
    el('ol', {}, picture.steps.map(([text, place]) => el('li', {title: place}, el('code', {}, text)))));
  return el('div', {class: 'columns'}, facts, steps);
}

function pictureOf(play, record) {
  if (!play.trace) return el('p', {class: 'notice'}, `There is no picture of its trace: ${play.lack}.`);
  const {root, text} = drawLadder(play.trace, play, allOptions, record);
  const options = el('input', {type: 'checkbox', checked: allOptions, onchange: () => { allOptions = options.checked; drawCase(); }});
  const copied = el('pre', {class: 'as-text', tabindex: 0}, text);
  return el('section', {class: 'picture', 'aria-label': 'what happened'}, el('h2', {}, 'What happened ',
    el('label', {class: 'toggle'}, options, ' all options ', el('kbd', {}, 'o'))),
  el('div', {class: 'wide', tabindex: 0, role: 'group', 'aria-label': 'ladder diagram, scrolls sideways'}, root),
  el('details', {}, el('summary', {}, 'as text'), copied));
}

/** Each timer with its window and where in it the answer came. */
function timers(play) {
  const timed = play.trace?.timed ?? [];
  if (!timed.length) return null;
  const row = ({on, rule, due, record, at}) => {
    const wide = Math.max(1, due[1] - due[0]);
    const share = at === undefined ? null : (at - due[0]) / wide;
    const gauge = svg('svg', {class: 'gauge', viewBox: '-20 0 140 12', width: 140, height: 12, 'aria-hidden': 'true'},
      svg('rect', {x: 0, y: 3, width: 100, height: 6}),
      share !== null && svg('circle', {cx: Math.min(116, Math.max(-16, share * 100)), cy: 6, r: 3.5}));
    return el('tr', {class: at === undefined ? 'missed' : null}, el('td', {}, on), el('th', {scope: 'row', class: 'code'}, rule),
      el('td', {class: 'n code'}, seconds(due[0])),
      el('td', {class: 'n code'}, at === undefined ? 'did not come' : el('a', {href: caseLink(current.name, current.run, record)}, seconds(at))),
      el('td', {class: 'n code'}, seconds(due[1])), el('td', {class: 'n code faint'}, lasting(due[1] - due[0])), el('td', {}, gauge));
  };
  return el('section', {'aria-label': 'timers'}, el('h2', {}, 'Timers'), el('div', {class: 'wide'}, el('table', {},
    el('thead', {}, el('tr', {}, el('th', {}), el('th', {}, 'rule'), el('th', {class: 'n'}, 'earliest'), el('th', {class: 'n'}, 'seen'),
      el('th', {class: 'n'}, 'latest'), el('th', {class: 'n'}, 'window'), el('th', {}))),
    el('tbody', {}, timed.map(row)))));
}

function predictionsOf(play) {
  if (!play.predictions.length) return null;
  const row = ({claim, given, holds, record, text}) => el('tr', {},
    el('th', {scope: 'row'}, el('a', {href: hash({claim})}, claim)),
    el('td', {class: holds === null ? 'faint' : holds ? 'confirmed' : 'refuted'}, holds === null ? 'not decided' : holds ? 'holds' : 'does not hold'),
    el('td', {}, given && el('span', {class: 'faint'}, `where ${given}: `), text),
    el('td', {class: 'n'}, record !== null && el('a', {href: caseLink(current.name, current.run, record)}, `record ${record}`)));
  return el('section', {'aria-label': 'claims'}, el('h2', {}, 'Claims'),
    el('div', {class: 'wide'}, el('table', {}, el('tbody', {}, play.predictions.map(row)))));
}

function rulesOf(cell, play) {
  const rules = index.sets[cell.rules].map(at => index.rules[at]);
  if (!rules.length) return null;
  const departures = new Set(play.departures ?? []);
  return el('details', {class: 'rules'}, el('summary', {}, `${plural(rules.length, 'rule')} explained it`,
    departures.size > 0 && `, ${plural(departures.size, 'documented departure')} from RFC 9293`),
  el('div', {class: 'wide'}, el('table', {}, el('tbody', {}, rules.map(rule => el('tr', {},
    el('th', {scope: 'row', class: 'code'}, el('a', {href: hash({rule: rule.id})}, rule.id)), el('td', {}, rule.level),
    el('td', {}, rule.statement), el('td', {class: 'faint'}, departures.has(rule.id) ? `departs from ${rule.departs}` : rule.source)))))));
}
