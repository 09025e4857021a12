
// Sorts and filters the tables; without it they are plain tables. Rows that compare equal keep their order.
for (const th of document.querySelectorAll('th')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = th.textContent;
  th.replaceChildren(button);
  if (!th.hasAttribute('aria-sort')) th.setAttribute('aria-sort', 'none');
  button.addEventListener('click', () => {
    const before = th.getAttribute('aria-sort');
    const down = before === 'none' ? th.classList.contains('n') : before === 'ascending';
    for (const other of th.parentNode.children) other.setAttribute('aria-sort', 'none');
    th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const body = th.closest('table').tBodies[0], column = th.cellIndex;
    const value = row => row.cells[column].dataset.n ?? row.cells[column].textContent;
    const compare = new Intl.Collator('en', {numeric: true}).compare;
    const order = (a, b) => compare(value(a), value(b));
    body.append(...[...body.rows].sort((a, b) => down ? order(b, a) : order(a, b)));
  });
}
const filter = document.querySelector('.filter');
if (filter) {
  filter.hidden = false;
  const rows = [...document.querySelectorAll('tbody tr')].map(row => [row, row.textContent.toLowerCase()]);
  filter.addEventListener('input', event => {
    const words = event.target.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every(word => text.includes(word));
      shown += !row.hidden;
    }
    filter.querySelector('output').textContent = `${shown} of ${rows.length} rows`;
  });
}
