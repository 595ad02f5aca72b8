// The claim ledger, the coverage by rules and requirements, and what the kernels are.

const runsOf = () => index.runs.map((_, run) => run);
const heads = () => index.runs.map(run => el('th', {class: 'n', title: run.title}, run.release));
const words = name => name.replace(/_/g, ' ');

function buildClaims() {
  if (!index.claims.length) return;
  const groups = Map.groupBy ? Map.groupBy(index.claims, claim => claim.group)
    : index.claims.reduce((map, claim) => map.set(claim.group, [...map.get(claim.group) ?? [], claim]), new Map());
  const rows = [...groups].flatMap(([group, claims]) => [
    el('tr', {class: 'group'}, el('th', {colspan: 3 + index.runs.length, scope: 'rowgroup'}, words(group))),
    claims.map(claimRow),
  ]);
  $('claims').append(el('h2', {}, 'Claims'),
    el('p', {class: 'lead'}, 'What documents say of TCP, each sentence put to the test. A refuted claim is a finding about the documents.'),
    el('div', {class: 'wide'}, el('table', {class: 'claims'},
      el('thead', {}, el('tr', {}, el('th', {}), el('th', {}, 'claim'), heads(), el('th', {}, 'condition and evidence'))),
      el('tbody', {}, rows))));
}

function claimRow(claim) {
  const told = new Map();
  for (const run of runsOf()) {
    const of = claim.runs[run];
    for (const text of of ? [of.condition, of.reason, of.caveat] : []) {
      if (text) told.set(text, [...told.get(text) ?? [], run]);
    }
  }
  const everywhere = runs => runs.length === claim.runs.filter(of => of).length;
  return el('tr', {id: `claim-${claim.id}`},
    el('th', {scope: 'row'}, el('a', {href: hash({claim: claim.id}), title: 'the cases that bear on it'}, claim.id)),
    el('td', {class: 'says'}, claim.says),
    runsOf().map(run => {
      const verdict = claim.runs[run]?.verdict;
      return el('td', {class: `n ${verdict ?? 'none'}`}, verdict ?? '–');
    }),
    el('td', {class: 'evidence'},
      [...told].map(([text, runs]) =>
        el('div', {class: claim.runs[runs[0]].verdict === 'untested' ? 'faint' : null}, !everywhere(runs) && el('span', {class: 'faint'}, `${runs.map(shortRelease).join(', ')}: `), text)),
      evidence(claim)));
}

/** Of the first run that decides it: how often it holds and how often not, each with one play that shows it. */
function evidence(claim) {
  const run = claim.runs.findIndex(of => of && (of.holds || of.fails));
  if (run < 0) return null;
  const part = (word, of) => of && el('div', {class: 'faint'}, `${word} in ${plural(of.plays, 'play')}, as in `,
    el('a', {href: caseLink(of.case, run)}, of.case), `: ${of.text}`);
  return [part('holds', claim.runs[run].holds), part('does not', claim.runs[run].fails)];
}

/** For each rule, and for each requirement that cases cite, how often it came up in each run. */
function tally() {
  const none = () => index.runs.map(() => ({plays: 0, broken: 0}));
  const rules = index.rules.map(none);
  const perSet = index.sets.map(() => index.runs.map(() => 0));
  const cited = index.requirements.map(() => index.runs.map(() => ({})));
  for (const file of index.cases) {
    for (const variant of file.variants) {
      variant.runs.forEach((cell, run) => {
        if (!cell) return;
        perSet[cell.rules][run] += 1;
        for (const rule of cell.broken ?? []) {
          rules[rule][run].broken += 1;
          if (!sets[cell.rules].has(rule)) rules[rule][run].plays += 1;
        }
        for (const at of variant.requirements) {
          const totals = cited[at][run];
          totals[cell.verdict] = (totals[cell.verdict] ?? 0) + 1;
        }
      });
    }
  }
  perSet.forEach((counts, set) => index.sets[set].forEach(rule => counts.forEach((plays, run) => { rules[rule][run].plays += plays; })));
  return {rules, cited};
}

function buildCoverage() {
  const {rules, cited} = tally();
  const exercised = at => rules[at].some(({plays}) => plays > 0);
  const counts = at => rules[at].map(({plays, broken}) => el('td', {class: 'n'},
    plays ? [broken > 0 && el('span', {class: 'fail'}, `${broken} broken `), plays] : el('span', {class: 'none'}, '–')));
  const ruleLink = at => exercised(at)
    ? el('a', {class: 'code', href: hash({rule: index.rules[at].id})}, index.rules[at].id) : el('span', {class: 'code none'}, index.rules[at].id);
  const table = (head, rows, first = 'wide') => el('div', {class: first}, el('table', {},
    el('thead', {}, el('tr', {}, head)), el('tbody', {}, rows)));

  const numbered = index.rfc.filter(({label}) => label);
  const covered = index.rfc.filter(({rules: by}) => by.length), uncovered = index.rfc.filter(({rules: by}) => !by.length);
  const requirementRows = covered.flatMap(({section, label, level, requires, rules: by}, at) => by.map((rule, number) => el('tr', {
    class: exercised(rule) ? null : 'never',
  }, el('th', {scope: 'row'}, number === 0 && covered[at - 1]?.section !== section && section),
  el('td', {class: 'label'}, number === 0 && label), el('td', {}, number === 0 && level), el('td', {}, number === 0 && requires),
  el('td', {}, ruleLink(rule)), counts(rule))));
  const uncoveredRows = uncovered.map(({section, label, level, requires}) =>
    el('tr', {}, el('th', {scope: 'row'}, section), el('td', {class: 'label'}, label), el('td', {}, level), el('td', {}, requires)));
  const heading = ['section', 'number', 'level', 'requires'].map(text => el('th', {}, text));
  const reached = numbered.filter(({rules: by}) => by.some(exercised)).length;

  const ruleRow = (rule, at) => el('tr', {class: exercised(at) ? null : 'never'}, el('th', {scope: 'row'}, ruleLink(at)),
    el('td', {}, rule.level), el('td', {}, rule.statement, rule.departs && el('span', {class: 'faint'}, ` (departs from ${rule.departs})`)),
    counts(at), el('td', {class: 'faint'}, rule.source));
  const citedRow = ([text, at]) => el('tr', {},
    el('th', {scope: 'row'}, el('a', {href: hash({requirement: text})}, text)),
    cited[at].map(totals => el('td', {class: 'n'}, VERDICTS.filter(verdict => totals[verdict]).map((verdict, i) =>
      [i ? ' ' : '', el('span', {class: verdict}, `${totals[verdict]}${verdict === 'pass' ? '' : ` ${verdict}`}`)]))));
  const inOrder = index.requirements.map((text, at) => [text, at]).sort((a, b) => a[0].localeCompare(b[0], 'en', {numeric: true}));

  $('coverage').append(el('h2', {}, 'Coverage of RFC 9293'),
    el('p', {class: 'lead'}, `Rules of the model cover ${plural(numbered.length - uncovered.length, 'numbered requirement')} of ` +
      `${numbered.length}; cases exercised ${reached}. A dash: nothing brought it up; some rules speak up only when they are broken.`),
    table([heading, el('th', {}, 'rule'), heads()], requirementRows),
    el('details', {}, el('summary', {}, `${plural(uncovered.length, 'numbered requirement')} that no rule covers yet`),
      table(heading, uncoveredRows)),
    el('details', {}, el('summary', {}, `all ${plural(index.rules.length, 'rule')} of the model, those that follow Linux too`),
      table([el('th', {}, 'rule'), el('th', {}, 'level'), el('th', {}, 'statement'), heads(), el('th', {}, 'source')], index.rules.map(ruleRow))),
    el('details', {}, el('summary', {}, `${plural(index.requirements.length, 'requirement')} that cases cite`),
      table([el('th', {}, 'requirement'), heads()], inOrder.map(citedRow))));
}

function buildKernels() {
  const union = lists => [...new Set(lists.flat())];
  const questions = union(index.runs.map(run => run.fingerprint.map(shown => shown.alternative)));
  const names = union(index.runs.map(run => Object.keys(run.sysctls))).sort();
  if (!questions.length && !names.length) return;
  const alternative = question => {
    const answers = index.runs.map(run => run.fingerprint.find(shown => shown.alternative === question));
    const any = answers.find(answer => answer);
    return el('tr', {}, el('th', {scope: 'row'}, any.question),
      answers.map(answer => el('td', {}, answer ? [answer.statement, el('span', {class: 'faint'}, ` in ${plural(answer.cases, 'play')}`)] : '–')));
  };
  const sysctl = name => {
    const values = index.runs.map(run => run.sysctls[name] ?? '–');
    return el('tr', {class: new Set(values).size > 1 ? 'differs' : null}, el('th', {scope: 'row', class: 'code'}, `net.ipv4.${name}`),
      values.map(value => el('td', {class: 'code'}, value)));
  };
  const head = first => el('thead', {}, el('tr', {}, el('th', {}, first), index.runs.map(run => el('th', {}, run.title))));
  $('kernels').append(el('h2', {}, 'Kernels'),
    questions.length > 0 && el('div', {class: 'wide'}, el('table', {}, head('named alternative'), el('tbody', {}, questions.map(alternative)))),
    names.length > 0 && el('details', {}, el('summary', {}, `the usual ${plural(names.length, 'setting')} of their namespaces`),
      el('div', {class: 'wide'}, el('table', {}, head('sysctl'), el('tbody', {}, names.map(sysctl))))));
}
