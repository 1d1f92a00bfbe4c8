// Draws the property `table` of RunTable (run_table.py), and keeps the names of the chosen runs in its value.
// Everything that is shown is set as text.

const box = element.querySelector('.run-table');
const DATE = 6;  // the cell that is a moment, in seconds since 1970
const COLOURS = 8;

function made(tag, text, properties) {
    return Object.assign(document.createElement(tag), {textContent: text ?? ''}, properties || {});
}

function chosen() { return Array.isArray(props.value) ? props.value : []; }

function choose(run, isChosen) {
    const wanted = new Set(chosen());
    isChosen ? wanted.add(run) : wanted.delete(run);
    props.value = props.table.rows.map(row => row.run).filter(one => wanted.has(one));  // in the order of the table
    draw();
    trigger('input');
}

function moment(seconds) {
    const form = {dateStyle: 'medium', timeStyle: 'short'};
    return seconds ? new Intl.DateTimeFormat(document.documentElement.lang || 'en', form).format(seconds * 1000) : '';
}

function drawnRow(row, heads, place) {
    const line = made('tr'), name = `${props.table.choose}: ${row.cells[0]}`;
    line.className = place ? 'chosen' : '';
    const mark = made('input', '', {type: 'checkbox', checked: place > 0});
    mark.setAttribute('aria-label', name);
    mark.dataset.run = row.run;
    mark.addEventListener('change', () => choose(row.run, mark.checked));
    line.addEventListener('click', event => { if (event.target !== mark) mark.click(); });
    const first = made('td', '', {className: 'choice'});
    first.append(mark);
    line.append(first);
    row.cells.forEach((text, index) => {
        const cell = made(index ? 'td' : 'th', index === DATE ? moment(text) : text);
        cell.dataset.head = heads[index];
        if (!index) {
            cell.scope = 'row';
            const swatch = made('i', '', {className: 'swatch'});
            if (place && place <= COLOURS) swatch.style.background = `var(--curve-${place})`;
            cell.prepend(swatch);
        }
        if (index === row.cells.length - 1) cell.className = `state ${row.state}`;
        line.append(cell);
    });
    return line;
}

function drawn(table) {
    const whole = made('table'), head = made('tr'), body = made('tbody');
    whole.append(made('caption', table.caption, {className: 'unseen'}));
    const first = made('td');
    head.append(first, ...table.heads.map(one => made('th', one, {scope: 'col'})));
    const top = made('thead');
    top.append(head);
    const places = table.rows.map(row => row.run).filter(one => chosen().includes(one));
    body.append(...table.rows.map(row => drawnRow(row, table.heads, places.indexOf(row.run) + 1)));
    whole.append(top, body);
    return whole;
}

function draw() {
    const table = props.table;
    if (!table || !table.rows) return;
    const held = box.contains(document.activeElement) ? document.activeElement.dataset.run : null;
    box.replaceChildren(table.rows.length ? drawn(table) : made('p', table.empty));
    if (held) [...box.querySelectorAll('input')].find(one => one.dataset.run === held)?.focus();
}

watch(['value', 'table'], draw);
draw();
