// The ladder diagram: time runs down, `a` at the left, its peer at the right; what comes at nearly the same time shares a row.
// The axis is not linear: rows are as far apart as they need to be read, and further by the logarithm of the time between.

/** An arrival so soon after its emission is one arrow with it, µs. */
const AT_ONCE = 1000;
/** What is seen within this time of a row's first, in the same step, shares its row if there is room, µs. */
const SAME_ROW = 200;
const ROW = 20, NOTE = 13, OPTIONS = 12, BOUND = 6, ABOVE = 19;
const LANE = 88, TIME = 78, STEP = 26, CHAR = 6.65, SMALL = 6.05;
const CALL_MAX = 44;

const cut = (text, length) => text.length > length ? `${text.slice(0, length - 1)}…` : text;
const spread = dt => dt < AT_ONCE ? 0 : 2 + 5 * Math.log10(dt / AT_ONCE);
const isLeft = end => end.startsWith('a');
const tint = state => ({
  'SYN-SENT': 'opening', 'SYN-RECEIVED': 'opening', LISTEN: 'none', CLOSED: 'none', ESTABLISHED: 'open', 'TIME-WAIT': 'waiting',
  'FIN-WAIT-1': 'active', 'FIN-WAIT-2': 'active', CLOSING: 'active', 'CLOSE-WAIT': 'passive', 'LAST-ACK': 'passive',
})[state] ?? 'none';

/** The marks as items, each in a column; an arrival that needs no arrow of its own is joined to its emission. */
function itemsOf(picture) {
  const items = [], emissions = new Map();
  const several = picture.ends.some(({name}) => /\d$/.test(name));
  for (const mark of picture.marks) {
    const base = {at: mark.at, record: mark.record, step: mark.step};
    if (mark.emitted) {
      const item = {...base, ...mark.emitted, kind: 'out', column: 'middle', arrivals: 0, arrives: false};
      emissions.set(mark.record, item);
      items.push(item);
    } else if (mark.arrived) {
      const source = emissions.get(mark.arrived.emitted);
      const inherited = source && !mark.arrived.text ? {text: source.text, options: source.options} : mark.arrived;
      const item = {...base, ...inherited, from: mark.arrived.from, kind: 'in', column: 'middle', source};
      const joins = source && !mark.arrived.text && source.arrivals === 0 && mark.at - source.at < AT_ONCE
        && (!source.fate || /times/.test(source.fate));
      if (source) source.arrivals += 1;
      if (joins) source.arrives = true;
      else items.push(item);
    } else if (mark.icmp) items.push({...base, ...mark.icmp, kind: 'icmp', column: 'middle'});
    else if (mark.call) {
      const text = several ? `${mark.call.on}: ${mark.call.text}` : mark.call.text;
      items.push({...base, ...mark.call, text, kind: 'call', column: `call ${isLeft(mark.call.on) ? 'a' : 'b'}`});
    } else if (mark.state) items.push({...base, ...mark.state, kind: 'state', column: `lane ${mark.state.on}`});
    else if (mark.trouble !== undefined) items.push({...base, text: mark.trouble, kind: 'trouble', column: 'all'});
    else if (mark.end) items.push({...base, text: 'the observation ends', kind: 'end', column: 'all'});
  }
  // A sample may show what a timer did though it found the state that was known.
  const missing = picture.timed.filter(({record, at}) => at !== undefined && !items.some(item => item.record === record));
  items.push(...missing.map(({on, record, at}) => ({at, record, on, kind: 'sample', column: `lane ${on}`})));
  return items.sort((a, b) => a.at - b.at || a.record - b.record);
}

/** Rows of items, with findings in rows of their own behind what they are about. */
function rowsOf(picture, findings) {
  const rows = [];
  const left = findings.map((finding, number) => ({finding, number})).sort((a, b) => a.finding.record - b.finding.record);
  const tell = upTo => {
    while (left.length && left[0].finding.record < upTo) {
      const {finding, number} = left.shift();
      const before = rows.at(-1);
      const shown = before?.items.some(item => item.record === finding.record);
      const at = Math.max(before?.at ?? 0, shown ? 0 : Math.floor(finding.at_seconds * 1e6));
      const item = {at, kind: 'finding', column: 'all', finding, number, record: finding.record};
      rows.push({at, step: null, items: [item], notes: [], untimed: shown});
    }
  };
  for (const item of itemsOf(picture)) {
    tell(item.record);
    const row = rows.at(-1);
    const step = item.step ?? null;
    const fits = row && item.column !== 'all' && item.at - row.at < SAME_ROW && (step === null || row.step === null || step === row.step)
      && row.items.every(other => other.column !== item.column && other.column !== 'all');
    if (fits) {
      row.items.push(item);
      row.step ??= step;
    } else rows.push({at: item.at, step, items: [item], notes: []});
  }
  tell(Infinity);
  return rows;
}

/** The row that shows a record, or what was last before it. */
function rowOf(rows, record, at) {
  const exact = rows.find(row => row.items.some(item => item.record === record && item.kind !== 'finding'));
  return exact ?? rows.findLast(row => row.at <= at + AT_ONCE && row.items[0].kind !== 'finding') ?? rows[0];
}

const hasOptions = (item, all) => item.options && item.kind !== 'call' && (all || /^S/.test(item.text) || /sack /.test(item.options));

/** Gives each row and each end of a window its place; returns where a time is. */
function place(rows, windows, allOptions, top) {
  const points = [
    ...rows.map((row, order) => ({at: row.at, rank: 1, order, row})),
    ...windows.flatMap(window => {
      const {row, due} = window;
      return [
        {at: row ? Math.min(due[0], row.at) : due[0], rank: 0, order: 0, set: y => { window.top = y; }},
        {at: row ? Math.max(due[1], row.at) : due[1], rank: 2, order: 0, set: y => { window.bottom = y; }},
      ];
    }),
  ].sort((a, b) => a.at - b.at || a.rank - b.rank || a.order - b.order);
  let y = top, floor = top, before = null;
  for (const point of points) {
    if (before) y += spread(point.at - before.at) + (point.row && !before.row ? ABOVE : BOUND);
    if (point.row) {
      y = Math.max(y, floor);
      const {items, notes} = point.row;
      const lines = items.some(item => hasOptions(item, allOptions)) ? OPTIONS : 0;
      floor = y + Math.max(ROW + lines, notes.length * NOTE + 7);
      point.row.y = y;
    } else point.set(y);
    point.y = y;
    before = point;
  }
  const bottom = Math.max(y, floor) + 4;
  const yAt = at => {
    const next = points.findIndex(point => point.at >= at);
    if (next <= 0) return next < 0 ? bottom : points[0].y;
    const [from, to] = [points[next - 1], points[next]];
    return from.y + (to.y - from.y) * (at - from.at) / Math.max(1, to.at - from.at);
  };
  return {bottom, yAt};
}

/** The columns from left to right, as wide as what stands in them. */
function columnsOf(picture, rows, windows, allOptions) {
  const width = (items, size, min, max) => Math.min(max, Math.max(min, ...items.map(length => length * size + 14)));
  const of = (test, length) => rows.flatMap(row => row.items.filter(test).map(length));
  const calls = side => of(item => item.column === `call ${side}`, item => callText(item).length);
  const ends = picture.ends.map(end => end.name);
  const lefts = ends.filter(isLeft), rights = ends.filter(end => !isLeft(end));
  const middle = Math.max(
    width(of(item => item.column === 'middle', item => lineText(item).length + 6), CHAR, 300, 620),
    width(of(item => hasOptions(item, allOptions), item => item.options.length + 4), SMALL, 0, 620));
  const notes = width(rows.flatMap(row => row.notes.map(note => note.text.length)), SMALL, 40, 460);
  const columns = {lanes: {}};
  let x = TIME + STEP;
  const take = wide => { const from = x; x += wide; return {x: from, end: x, wide}; };
  columns.callA = take(width(calls('a'), CHAR, 30, CALL_MAX * CHAR + 14));
  for (const end of [...lefts].reverse()) columns.lanes[end] = take(LANE);
  columns.middle = take(middle);
  for (const end of rights) columns.lanes[end] = take(LANE);
  if (!rights.length) columns.peer = take(14);
  columns.callB = take(rights.length ? width(calls('b'), CHAR, 20, CALL_MAX * CHAR + 14) : 0);
  columns.notes = take(notes);
  columns.width = x;
  return columns;
}

const callText = item => {
  const took = item.until - item.at;
  return cut(item.text, CALL_MAX) + (took >= AT_ONCE ? ` after ${lasting(took)}` : '');
};

/** What stands on an arrow: the segment without the options that have a line of their own. */
function lineText(item) {
  if (item.kind === 'icmp') return `icmp ${item.text}`;
  const text = item.options ? item.text.replace(` <${item.options}>`, '') : item.text;
  const whose = /\d$/.test(item.from) ? `${item.from} ` : '';
  if (item.kind === 'in' && item.source) {
    const later = `${lasting(item.at - item.source.at)} later`;
    return item.text === item.source.text ? later : `${whose}${text} (${later})`;
  }
  return whose + text + (item.fate ? `  ${item.fate}` : '');
}

function drawLadder(picture, play, allOptions, hit) {
  const findings = play.findings ?? [];
  const rows = rowsOf(picture, findings);
  const windows = picture.timed.map(timed => ({...timed, row: timed.at === undefined ? null : rowOf(rows, timed.record, timed.at)}));
  for (const {row, on, rule, due} of windows) {
    const whose = picture.ends.length > 1 ? `${on} ` : '';
    row?.notes.push({text: `${whose}${rule}  ${(due[0] / 1e6).toFixed(3)} … ${(due[1] / 1e6).toFixed(3)} s`, class: 'window-note'});
  }
  for (const {claim, given, holds, record, at, text} of play.predictions) {
    if (holds === null || at === null) continue;
    rowOf(rows, record, at)?.notes.push({
      text: `${holds ? '✓' : '✗'} claim ${claim} ${holds ? 'holds' : 'does not hold'}`, class: holds ? 'holds' : 'fails',
      title: `${given ? `where ${given}: ` : ''}${text}`,
    });
  }
  const columns = columnsOf(picture, rows, windows, allOptions);
  const {bottom, yAt} = place(rows, windows, allOptions, 46);
  const root = svg('svg', {
    class: 'ladder', role: 'img', viewBox: `0 0 ${Math.ceil(columns.width)} ${Math.ceil(bottom + 10)}`,
    style: `width: clamp(${Math.ceil(columns.width * 0.8)}px, 100%, ${Math.ceil(columns.width)}px)`,
    'aria-label': `ladder diagram of ${plural(rows.length, 'row')}; the same as text follows it`,
  });
  const heading = (x, text, anchor = 'middle') => svg('text', {x, y: 16, class: 'head', 'text-anchor': anchor}, text);
  root.append(
    ...drawLanes(picture, rows, columns, bottom),
    ...windows.map(window => drawWindow(window, columns)),
    heading(TIME - 8, 'time, s', 'end'), svg('text', {x: TIME + 8, y: 16, class: 'head'}, 'step'),
    ...Object.entries(columns.lanes).map(([end, {x}]) => heading(x + LANE / 2, end)),
    ...(columns.peer ? [heading(columns.peer.end, 'crafted peer', 'end')] : []));
  let step = null;
  rows.forEach((row, number) => {
    const begins = row.step !== null && row.step !== step;
    if (begins) step = row.step;
    root.append(drawRow(row, rows[number - 1], begins ? step : null, picture, columns, yAt, allOptions, hit));
  });
  return {root, text: ladderText(rows, windows)};
}

function drawWindow({on, rule, due, at, record, top, bottom}, columns) {
  const lane = columns.lanes[on] ?? columns.middle, {middle} = columns;
  const [from, to] = isLeft(on) ? [lane.end - 2, middle.end] : [middle.x, lane.x + 2];
  const bar = isLeft(on) ? lane.end - 3 : lane.x - 1;
  const observed = at === undefined ? 'it did not come' : `observed ${seconds(at)}, record ${record}`;
  return svg('g', {class: at === undefined ? 'window missed' : 'window'},
    svg('title', {}, `${rule} of ${on}: allowed from ${seconds(due[0])} to ${seconds(due[1])} s; ${observed}`),
    svg('rect', {x: from, y: top, width: to - from, height: Math.max(2, bottom - top)}),
    svg('path', {d: `M${from} ${top}H${to}M${from} ${bottom}H${to}`}),
    svg('rect', {class: 'bar', x: bar, y: top, width: 4, height: Math.max(2, bottom - top)}));
}

function drawLanes(picture, rows, columns, bottom) {
  const parts = [];
  for (const [end, {x, wide}] of Object.entries(columns.lanes)) {
    const changes = rows.flatMap(row => row.items.filter(item => item.kind === 'state' && item.on === end).map(item => ({...item, y: row.y})));
    changes.forEach((change, number) => {
      const y = change.y - 9, until = changes[number + 1]?.y - 9 || bottom;
      parts.push(svg('g', {class: `state ${tint(change.state)}`},
        svg('title', {}, `${end} ${change.state} at ${seconds(change.at)} s, record ${change.record}`),
        svg('rect', {x: x + 2, y, width: wide - 4, height: Math.max(10, until - y - 1)}),
        svg('text', {x: x + wide / 2, y: change.y + 1, 'text-anchor': 'middle'}, change.state)));
    });
  }
  const {middle} = columns;
  parts.push(svg('path', {class: 'edge', d: `M${middle.x} 24V${bottom}M${middle.end} 24V${bottom}`}));
  return parts;
}

function drawRow(row, before, step, picture, columns, yAt, allOptions, hit) {
  const group = svg('g', {class: 'row', 'data-records': row.items.map(item => item.record).join(' ')});
  if (row.items.some(item => item.record === hit)) {
    group.classList.add('hit');
    group.append(svg('rect', {x: 0, y: row.y - 15, width: columns.width, height: 21, class: 'hit'}));
  }
  if (!row.untimed) {
    const since = before ? `, ${lasting(row.at - before.at)} after the row before` : '';
    group.append(svg('title', {}, row.items.map(item => `${seconds(item.at)} record ${item.record}`).join('\n') + since),
      svg('text', {x: TIME - 8, y: row.y, class: 'time', 'text-anchor': 'end'}, seconds(row.at)));
    if (before && row.at - before.at >= 1e5 && row.y - before.y >= 32) {
      const between = (before.y + row.y) / 2 - 1;
      group.append(svg('text', {x: TIME - 8, y: between, class: 'gap', 'text-anchor': 'end'}, `+${lasting(row.at - before.at)}`));
    }
  }
  if (step !== null) {
    group.append(svg('g', {}, svg('title', {}, picture.steps[step]?.join('\n') ?? ''),
      svg('text', {x: TIME + 12, y: row.y, class: 'step', 'text-anchor': 'middle'}, step + 1)));
  }
  for (const item of row.items) group.append(...drawItem(item, row.y, columns, yAt, allOptions));
  row.notes.forEach((note, number) => {
    group.append(svg('g', {}, note.title && svg('title', {}, note.title),
      svg('text', {x: columns.notes.x + 10, y: row.y + number * NOTE, class: `note ${note.class}`}, cut(note.text, 76))));
  });
  row.items.forEach(item => { item.y = row.y; });
  return group;
}

function drawItem(item, y, columns, yAt, allOptions) {
  const {callA, callB, middle} = columns;
  switch (item.kind) {
    case 'out': case 'in': case 'icmp': return drawArrow(item, y, columns, allOptions);
    case 'call': {
      const left = isLeft(item.on), x = left ? callA.end - 8 : callB.x + 8;
      const bracket = left ? callA.end - 3 : callB.x + 3;
      return [
        svg('text', {x, y, class: 'call', 'text-anchor': left ? 'end' : 'start'}, svg('title', {}, `${item.on}: ${item.text}`), callText(item)),
        item.until - item.at >= AT_ONCE
          ? svg('path', {class: 'blocks', d: `M${bracket} ${y - 8}V${Math.max(y + 3, yAt(item.until))}`}) : '',
      ];
    }
    case 'finding': {
      const {rule, expected, actual} = item.finding;
      return [svg('a', {href: `#finding-${item.number}`, class: 'finding', onclick: event => {
        event.preventDefault();
        $(`finding-${item.number}`)?.scrollIntoView({block: 'center'});
      }}, svg('rect', {x: TIME, y: y - 13, width: columns.notes.x - TIME, height: 18, rx: 2}),
      svg('text', {x: TIME + 8, y}, svg('title', {}, `${rule}: expected ${expected}, got ${actual}`),
        cut(`✗ ${rule}: expected ${expected}; got ${actual}`, Math.floor((columns.notes.x - TIME - 16) / CHAR))))];
    }
    case 'sample': {
      const lane = columns.lanes[item.on];
      return [svg('circle', {class: 'sample', cx: isLeft(item.on) ? lane.end - 1 : lane.x + 1, cy: y - 4, r: 3}, svg('title', {}, 'a sample'))];
    }
    case 'trouble': case 'end':
      return [svg('text', {x: (middle.x + middle.end) / 2, y, class: item.kind, 'text-anchor': 'middle'},
        cut(item.text, Math.floor(middle.wide / CHAR) + 20))];
    default: return [];
  }
}

function drawArrow(item, y, columns, allOptions) {
  const {middle} = columns;
  const rightwards = item.kind === 'icmp' ? !isLeft(item.on) : isLeft(item.from);
  const [start, end] = rightwards ? [middle.x, middle.end] : [middle.end, middle.x];
  const at = share => start + (end - start) * share;
  const relayed = !columns.peer;
  const head = (x, hy, slope = 0) => {
    const back = rightwards ? -7 : 7;
    return svg('path', {class: 'head', d: `M${x} ${hy}l${back} ${-3 - slope}l0 6z`});
  };
  const parts = [];
  let style = 'arrow';
  if (item.kind === 'icmp') style += ' icmp';
  else if (item.kind === 'in' && !item.source) style += ' tester';
  else if (item.kind === 'in') style += ' late';
  if (item.kind === 'out') {
    if (item.dropped) {
      parts.push(svg('path', {d: `M${start} ${y}H${at(0.72)}`}),
        svg('path', {class: 'cross', d: `M${at(0.72) - 5} ${y - 5}l10 10m0 -10l-10 10`}));
      style += ' lost';
    } else if (relayed && item.arrivals === 0) {
      parts.push(svg('path', {d: `M${start} ${y}H${at(0.6)}`}), svg('path', {class: 'unseen', d: `M${at(0.6)} ${y}H${at(0.8)}`}));
      style += ' lost';
    } else if (relayed && !item.arrives) {
      // The arrow goes on to where it arrives later.
      parts.push(svg('path', {d: `M${start} ${y}H${at(0.12)}`}));
    } else parts.push(svg('path', {d: `M${start} ${y}H${end}`}), head(end, y));
  } else if (item.source) {
    const from = item.source.y ?? y;
    parts.push(svg('path', {d: `M${at(0.12)} ${from}L${at(0.88)} ${y}H${end}`}), head(end, y));
  } else if (item.kind === 'in' && relayed) {
    parts.push(svg('circle', {cx: at(0.5), cy: y, r: 2.5}), svg('path', {d: `M${at(0.5)} ${y}H${end}`}), head(end, y));
  } else parts.push(svg('path', {d: `M${start} ${y}H${end}`}), head(end, y));
  const anchor = rightwards ? 'start' : 'end', x = rightwards ? middle.x + 9 : middle.end - 9;
  const text = lineText(item);
  // The text of what arrives late stands at the end of its arrow.
  const late = item.kind === 'in' && item.source;
  const textAt = late ? {x: rightwards ? middle.end - 12 : middle.x + 12, 'text-anchor': rightwards ? 'end' : 'start'} : {x, 'text-anchor': anchor};
  const fate = item.fate ? text.length - item.fate.length : text.length;
  parts.push(svg('text', {...textAt, y: y - 4}, item.options && svg('title', {}, `${item.text}\n<${item.options}>`),
    text.slice(0, fate), item.fate && svg('tspan', {class: item.dropped ? 'fate dropped' : 'fate'}, item.fate)));
  if (hasOptions(item, allOptions) && !late) parts.push(svg('text', {x, y: y + 10, class: 'options', 'text-anchor': anchor}, `<${item.options}>`));
  return [svg('g', {class: style}, parts)];
}

/** The same as text, as people put it into a mail. */
function ladderText(rows, windows) {
  const lines = [];
  for (const row of rows) {
    for (const item of row.items) {
      const time = seconds(item.at).padStart(11);
      const timed = windows.find(window => window.record === item.record);
      const window = timed ? `   [${timed.rule} ${seconds(timed.due[0])}..${seconds(timed.due[1])}]` : '';
      const line = (who, sign, text) => lines.push(`${time}  ${who.padEnd(2)} ${sign} ${text}${window}`);
      const full = item.options && !item.text.includes('<') ? `${item.text} <${item.options}>` : item.text;
      switch (item.kind) {
        case 'out': line(item.from, '>', full + (item.fate ? `   ${item.fate}` : '')); break;
        case 'in': line(isLeft(item.from) ? item.from.replace('a', 'b') : item.from.replace('b', 'a'), '<', full); break;
        case 'icmp': line(item.on, '<', `icmp ${item.text}`); break;
        case 'call': line(item.on, ' ', callText({...item, text: item.text})); break;
        case 'sample': line(item.on, ' ', '(a sample)'); break;
        case 'state': line(item.on, ' ', `[${item.state}]`); break;
        case 'finding': lines.push(`${' '.repeat(17)}*** ${item.finding.rule}: expected ${item.finding.expected}; got ${item.finding.actual}`); break;
        default: lines.push(`${time}     ! ${item.text}`);
      }
    }
  }
  for (const {on, rule, due, at} of windows) {
    if (at === undefined) lines.push(`${' '.repeat(17)}!   ${rule} of ${on} was due ${seconds(due[0])}..${seconds(due[1])}`);
  }
  return lines.join('\n');
}
