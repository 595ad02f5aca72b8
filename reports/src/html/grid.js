// The cases x kernels grid: folders, case files, variants; filters by verdict, claim, requirement, rule and text.

const filter = {q: '', verdict: new Set(), claim: '', requirement: '', rule: '', differs: false};
/** Which rows the reader opened or closed, by key; others are as the filter leaves them. */
const opened = new Map();
/** The variants that the filter leaves, in order: what a case page steps through. */
let shown = [];
let activeKey = null;

const comesUp = (cell, rule) => sets[cell.rules].has(rule) || cell.broken?.includes(rule);
const isBad = verdict => verdict === 'inconclusive' || verdict === 'fail' || verdict === 'error';

function matches(file, variant) {
  const cells = variant.runs.filter(cell => cell);
  if (filter.verdict.size && !cells.some(cell => filter.verdict.has(cell.verdict))) return false;
  if (filter.claim && !variant.claims.includes(filter.claim)) return false;
  if (filter.requirement && !variant.requirements.some(at => index.requirements[at] === filter.requirement)) return false;
  if (filter.rule && !cells.some(cell => comesUp(cell, ruleAt.get(filter.rule)))) return false;
  if (filter.differs && new Set(variant.runs.map(cell => cell?.verdict)).size < 2) return false;
  if (!filter.q) return true;
  const text = [nameOf(file.id, variant.name), file.purpose, ...cells.map(cell => cell.reason ?? '')].join('\n').toLowerCase();
  return filter.q.toLowerCase().split(/\s+/).every(word => text.includes(word));
}

const isFiltered = () => filter.q || filter.verdict.size || filter.claim || filter.requirement || filter.rule || filter.differs;

/** Folders with their files with the variants that are left. */
function tree() {
  const folders = new Map();
  shown = [];
  for (const file of index.cases) {
    const variants = file.variants.filter(variant => matches(file, variant));
    if (!variants.length) continue;
    const slash = file.id.lastIndexOf('/');
    const name = slash < 0 ? '.' : file.id.slice(0, slash);
    if (!folders.has(name)) folders.set(name, []);
    folders.get(name).push({file, variants, name: file.id.slice(slash + 1)});
    shown.push(...variants.map(variant => nameOf(file.id, variant.name)));
  }
  return folders;
}

function counts(variants, run) {
  const totals = {};
  for (const variant of variants) {
    const verdict = variant.runs[run]?.verdict;
    if (verdict) totals[verdict] = (totals[verdict] ?? 0) + 1;
  }
  const present = VERDICTS.filter(verdict => totals[verdict]);
  return present.map((verdict, i) => [
    i ? ' ' : '',
    el('span', {class: verdict, title: verdict}, `${totals[verdict]}${verdict === 'pass' ? '' : ` ${verdict}`}`),
  ]);
}

function drawGrid() {
  const folders = tree();
  const few = shown.length <= 60;
  const rows = [];
  const open = (key, byItself) => opened.get(key) ?? byItself;
  const row = (key, level, expanded, name, about, cells) => rows.push(el('tr', {
    role: 'row', 'aria-level': level, 'aria-expanded': expanded, 'data-key': key, class: `level${level}`, tabindex: -1,
  }, el('th', {scope: 'row', role: 'rowheader'}, name), cells, el('td', {class: 'about', role: 'gridcell'}, about)));
  const cell = (...children) => el('td', {class: 'n', role: 'gridcell'}, ...children);
  const runs = index.runs.map((_, run) => run);
  for (const [folder, files] of folders) {
    const all = files.flatMap(({variants}) => variants);
    const bad = list => list.some(variant => variant.runs.some(cell => cell && isBad(cell.verdict)));
    const folderOpen = open(folder, Boolean(isFiltered()) || bad(all));
    row(folder, 1, String(folderOpen), folder, plural(files.length, 'file'), runs.map(run => cell(counts(all, run))));
    if (!folderOpen) continue;
    for (const {file, variants, name} of files) {
      if (!isFiltered() && bad(all) && !bad(variants) && !opened.has(folder)) continue;
      const fileOpen = open(file.id, (isFiltered() && few) || bad(variants));
      row(file.id, 2, String(fileOpen), name, file.purpose, runs.map(run => cell(counts(variants, run))));
      if (!fileOpen) continue;
      for (const variant of variants) {
        if (!isFiltered() && !opened.has(file.id) && !bad([variant])) continue;
        const full = nameOf(file.id, variant.name);
        const telling = variant.runs.findIndex(cell => cell && isBad(cell.verdict));
        const first = telling < 0 ? variant.runs.findIndex(cell => cell) : telling;
        const reason = variant.runs.find(cell => cell?.reason)?.reason;
        row(`@${full}`, 3, null, el('a', {href: caseLink(full, first), tabindex: -1}, variant.name || name), reason ?? '',
          runs.map(run => {
            const play = variant.runs[run];
            return cell(play
              ? el('a', {href: caseLink(full, run), class: play.verdict, tabindex: -1}, play.verdict)
              : el('span', {class: 'none', title: 'not in this run'}, '–'));
          }));
      }
    }
  }
  $('rows').replaceChildren(...rows);
  const all = index.cases.reduce((sum, file) => sum + file.variants.length, 0);
  $('found').textContent = isFiltered()
    ? `${shown.length} of ${plural(all, 'variant')}` : `${plural(all, 'variant')} in ${plural(index.cases.length, 'file')}`;
  const active = rows.find(row => row.dataset.key === activeKey) ?? rows[0];
  if (active) activate(active, false);
}

function activate(row, focus = true) {
  $('rows').querySelector('[tabindex="0"]')?.setAttribute('tabindex', -1);
  row.setAttribute('tabindex', 0);
  activeKey = row.dataset.key;
  if (focus) row.focus();
}

function focusGrid() {
  const active = $('rows').querySelector('[tabindex="0"]');
  if (active && document.activeElement === document.body && activeKey?.startsWith('@')) active.focus();
}

function toggle(row, open) {
  opened.set(row.dataset.key, open);
  const hadFocus = $('rows').contains(document.activeElement);
  activeKey = row.dataset.key;
  drawGrid();
  if (hadFocus) $('rows').querySelector('[tabindex="0"]')?.focus();
}

function gridKey(event) {
  const row = event.target.closest('tr');
  if (!row || event.ctrlKey || event.altKey || event.metaKey) return;
  const level = Number(row.ariaLevel ?? row.getAttribute('aria-level'));
  const expanded = row.getAttribute('aria-expanded');
  const all = [...$('rows').children];
  const at = all.indexOf(row);
  const to = {
    ArrowDown: all[at + 1], ArrowUp: all[at - 1], Home: all[0], End: all.at(-1),
    PageDown: all[Math.min(at + 20, all.length - 1)], PageUp: all[Math.max(at - 20, 0)],
  };
  if (event.key in to) {
    if (to[event.key]) activate(to[event.key]);
    else if (event.key === 'ArrowUp') $('search').focus();
  } else if (event.key === 'ArrowRight' && expanded === 'false') toggle(row, true);
  else if (event.key === 'ArrowLeft' && expanded === 'true') toggle(row, false);
  else if (event.key === 'ArrowLeft' && level > 1) {
    activate(all.slice(0, at).reverse().find(other => Number(other.getAttribute('aria-level')) < level));
  } else if (event.key === 'Enter' && expanded !== null) toggle(row, expanded === 'false');
  else if (event.key === 'Enter') location.hash = row.querySelector('a').getAttribute('href');
  else return;
  event.preventDefault();
}

function setFilter(parameters) {
  for (const name of ['q', 'claim', 'requirement', 'rule']) filter[name] = parameters.get(name) ?? '';
  filter.verdict = new Set((parameters.get('verdict') ?? '').split(',').filter(verdict => VERDICTS.includes(verdict)));
  filter.differs = parameters.has('differs');
  $('search').value = filter.q;
  for (const name of ['claim', 'requirement', 'rule']) $(`by-${name}`).value = filter[name];
  for (const button of document.querySelectorAll('#filters [data-verdict]')) {
    button.setAttribute('aria-pressed', filter.verdict.has(button.dataset.verdict));
  }
  $('differs')?.setAttribute('aria-pressed', filter.differs);
  drawGrid();
}

/** Takes a change of the filter: into the address, without a step in the history, and into the grid. */
function changeFilter(change) {
  Object.assign(filter, change);
  opened.clear();
  const {q, claim, requirement, rule, verdict, differs} = filter;
  history.replaceState(null, '', hash({q, claim, requirement, rule, verdict: [...verdict].join(','), differs: differs ? 1 : ''}));
  lastMain = location.hash || '#';
  setFilter(new URLSearchParams(location.hash.slice(1)));
}

function chooser(name, label, options) {
  const select = el('select', {id: `by-${name}`, 'aria-label': `by ${label}`,
    onchange: () => changeFilter({[name]: select.value})},
    el('option', {value: ''}, `any ${label}`),
    options.map(([value, text]) => el('option', {value}, text)));
  return select;
}

function buildGrid() {
  const totals = {};
  for (const run of index.runs) for (const verdict of VERDICTS) totals[verdict] = (totals[verdict] ?? 0) + run.totals[verdict];
  const requirements = [...index.requirements].sort((a, b) => a.localeCompare(b, 'en', {numeric: true}));
  const fired = new Set(sets.flatMap(set => [...set]));
  for (const file of index.cases) for (const {runs} of file.variants) for (const cell of runs) cell?.broken?.forEach(rule => fired.add(rule));
  const byVerdict = VERDICTS.filter(verdict => totals[verdict]).map(verdict => el('button', {
    'data-verdict': verdict, class: verdict, 'aria-pressed': false,
    onclick: () => {
      const verdicts = new Set(filter.verdict);
      if (!verdicts.delete(verdict)) verdicts.add(verdict);
      changeFilter({verdict: verdicts});
    },
  }, `${totals[verdict]} ${verdict}`));
  const search = el('input', {
    id: 'search', type: 'search', placeholder: 'search: name, purpose, reason', 'aria-label': 'search cases',
    autocomplete: 'off', spellcheck: 'false',
    oninput: () => changeFilter({q: search.value}),
    onkeydown: event => {
      if (event.key === 'Escape') {
        if (search.value) changeFilter({q: ''});
        else search.blur();
      } else if (event.key === 'ArrowDown' || event.key === 'Enter') {
        const row = $('rows').querySelector('[tabindex="0"]');
        if (row) activate(row);
      } else return;
      event.preventDefault();
      event.stopPropagation();
    },
  });
  const says = claim => `${claim.id}  ${claim.says}`.slice(0, 90);
  $('cases').append(
    el('div', {id: 'filters', role: 'search'}, search, byVerdict,
      index.runs.length > 1 && el('button', {id: 'differs', 'aria-pressed': false,
        onclick: () => changeFilter({differs: !filter.differs})}, 'kernels differ'),
      chooser('claim', 'claim', index.claims.map(claim => [claim.id, says(claim)])),
      chooser('requirement', 'requirement', requirements.map(text => [text, text])),
      chooser('rule', 'rule', index.rules.filter((_, at) => fired.has(at)).map(rule => [rule.id, rule.id])),
      el('output', {id: 'found', 'aria-live': 'polite'})),
    el('div', {class: 'wide'}, el('table', {role: 'treegrid', 'aria-label': 'cases and what came of them on each kernel', class: 'grid'},
      el('thead', {}, el('tr', {role: 'row'}, el('th', {role: 'columnheader'}, 'case'),
        index.runs.map(run => el('th', {class: 'n', role: 'columnheader', title: run.title}, run.release)),
        el('th', {role: 'columnheader'}))),
      el('tbody', {id: 'rows', onkeydown: gridKey, onclick: event => {
        const row = event.target.closest('tr');
        if (!row || event.target.closest('a')) return;
        if (row.hasAttribute('aria-expanded')) toggle(row, row.getAttribute('aria-expanded') === 'false');
        else activate(row);
      }}))));
}
