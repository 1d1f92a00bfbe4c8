// Shows the value of NextBars (next_bars.py says what it holds). Runs once, when the component is first shown.
// A bar is a button: a click on it, or its key while the bars have the focus, chooses its character.

const box = element.querySelector('.next-bars'), list = box.querySelector('.bars'), rest = box.querySelector('.rest');
const BLANKS = {' ': 'space', '\n': 'newline', '\t': 'tab'};
const say = key => (props.words || {})[key] || '';

function percent(share) {
    const language = document.documentElement.lang || 'en', digits = share < 0.0995 ? 1 : 0;
    const told = new Intl.NumberFormat(language, {style: 'percent', maximumFractionDigits: digits});
    return share >= 0.0005 ? told.format(share) : share ? `< ${told.format(0.001)}` : told.format(0);
}

function make(kind, tag = 'span') {
    const part = document.createElement(tag);
    part.className = kind;
    return part;
}

function newBar() {
    const bar = make('bar', 'button'), track = make('track');
    bar.type = 'button';
    track.append(make('fill'));
    bar.append(make('symbol'), track, make('share'));
    bar.addEventListener('click', () => trigger('click', {symbol: bar.symbol}));
    return list.appendChild(bar);
}

function draw() {  // bars are used again, so that the focus stays where it is
    const {bars = [], others = 0, count = 0} = props.value || {};
    list.setAttribute('aria-label', say('label'));
    while (list.children.length > bars.length) list.lastChild.remove();
    bars.forEach(([symbol, share], index) => {
        const bar = list.children[index] || newBar(), name = say(BLANKS[symbol]) || symbol;
        bar.symbol = symbol;
        bar.setAttribute('aria-label', `${name}, ${percent(share)}`);
        bar.querySelector('.symbol').textContent = name;
        bar.querySelector('.share').textContent = percent(share);
        bar.querySelector('.fill').style.width = `${100 * share}%`;
    });
    rest.textContent = count ? say('others').replace('COUNT', count).replace('SHARE', percent(others)) : '';
}

list.addEventListener('keydown', event => {
    const bars = [...list.children], now = bars.indexOf(document.activeElement);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
        const next = bars[now + (event.key === 'ArrowDown' ? 1 : -1)];
        if (next) next.focus();
    } else if (event.key === 'Backspace') trigger('undo');
    else if ([...event.key].length === 1 && event.key !== ' ') trigger('click', {symbol: event.key});
    else return;
    event.preventDefault();
});
watch(Object.keys(props), draw);
draw();
