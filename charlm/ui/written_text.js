// Shows the value of WrittenText (written_text.py says what it holds). Runs once, when the component is first shown.
//
// Text goes into text nodes of 500 characters, and nowhere else. Colours are ranges of the CSS Custom Highlight API,
// which add no nodes: ten thousand coloured characters are twenty of them. A browser without it shows plain text, and
// what else a character might have been all the same.

const box = element.querySelector('.written-text'), paper = box.querySelector('.paper');
const card = box.querySelector('.card'), frame = box.querySelector('.cursor'), copy = box.querySelector('.copy'), isColoured = box.querySelector('input');
const LEVELS = [500, 200, 50, 10];  // thousandths: a character less probable than the first is of level 1, and so on
const NODE = 500, DIGITS = 2;  // characters of a text node; base-36 digits of a probability in thousandths
const BLANKS = {' ': 'space', '\n': 'newline', '\t': 'tab', '\ufffd': 'unknown'};

let shown = '', seen = '';  // the text that stands on the paper, and the probabilities that go with it
let places = [];  // of each character: its text node, and where in it it begins
let firsts = new Map();  // of each text node: which character is its first
let marked = [];  // [highlight, range] of all that is coloured here
let tinted = 0, levelled = 0, copied = '', cursor = -1;  // characters of the prompt, and written ones, that are marked
let others = {packed: null, chars: []}, isWanted = false, isBusy = false, labelled = '';

const value = () => props.value || {};
const say = key => (props.words || {})[key] || '';

// --- text ------------------------------------------------------------------------------------------------------------

function draw() {
    const {text = '', shares = ''} = value();
    if (!text.startsWith(shown) || !shares.startsWith(seen)) clear();
    const isAtEnd = paper.scrollHeight - paper.scrollTop - paper.clientHeight < 60;
    append(text.slice(shown.length));
    [shown, seen] = [text, shares];
    if (isAtEnd) paper.scrollTop = paper.scrollHeight;
    colourSoon();
}

// Thousands of ranges take time to paint: after each colouring the page has three times as long for everything else.
function colourSoon() {
    isWanted = true;
    if (isBusy) return;
    isBusy = true;
    requestAnimationFrame(began => {
        isWanted = false;
        colour();
        underline();
        requestAnimationFrame(() => setTimeout(() => setTimeout(() => {
            isBusy = false;
            if (isWanted) colourSoon();
        }, Math.min(1000, 3 * (performance.now() - began - 16)))));
    });
}

function clear() {
    hide();
    for (const [highlight, range] of marked.splice(0)) highlight.delete(range);
    paper.textContent = '';
    [shown, seen, places, firsts, tinted, levelled, copied] = ['', '', [], new Map(), 0, 0, ''];
}

function append(more) {
    let node = paper.lastChild, piece = '';
    for (const char of more) {
        if (!node || node.length + piece.length >= NODE) {
            if (node) node.appendData(piece);
            [node, piece] = [paper.appendChild(document.createTextNode('')), ''];
            firsts.set(node, places.length);
        }
        places.push([node, node.length + piece.length, char.length]);
        piece += char;
    }
    if (piece) node.appendData(piece);
}

// --- colours ---------------------------------------------------------------------------------------------------------

function mark(name, from, to) {  // the characters from .. to - 1
    if (!window.Highlight) return;
    if (!CSS.highlights.has(name)) CSS.highlights.set(name, new Highlight());
    const highlight = CSS.highlights.get(name);
    for (let start = from, end; start < to; start = end) {
        const [node, offset] = places[start];
        for (end = start + 1; end < to && places[end][0] === node;) end++;
        const last = places[end - 1];
        const range = new StaticRange({startContainer: node, startOffset: offset,
                                       endContainer: node, endOffset: last[1] + last[2]});
        highlight.add(range);
        marked.push([highlight, range]);
    }
}

const width = () => DIGITS * (1 + (value().each || 0));  // digits of one character: its own probability, and the others'
const thousandths = (index, which) => {
    const at = index * width() + DIGITS * which;
    return parseInt(seen.slice(at, at + DIGITS), 36);
};
const known = () => Math.floor(seen.length / width());
const level = index => LEVELS.filter(least => thousandths(index, 0) < least).length;

function colour() {
    const prompt = value().prompt || 0, count = Math.min(known(), places.length - prompt);
    if (tinted < Math.min(prompt, places.length)) mark('charlm-prompt', tinted, tinted = Math.min(prompt, places.length));
    while (levelled < count) {  // neighbours of one level are one range
        const first = levelled, now = level(first);
        while (levelled < count && level(levelled) === now) levelled++;
        if (now) mark(`charlm-level-${now}`, prompt + first, prompt + levelled);
    }
}

function underline() {
    const passages = value().copied || [], told = JSON.stringify(passages);
    if (told === copied) return;
    copied = told;
    for (const [from, to] of passages) mark('charlm-copied', from, Math.min(to, places.length));
}

// --- what else it might have been ------------------------------------------------------------------------------------

function percent(share) {
    const language = document.documentElement.lang || 'en', digits = share < 0.0995 ? 1 : 0;
    const told = new Intl.NumberFormat(language, {style: 'percent', maximumFractionDigits: digits});
    return share ? told.format(share) : `< ${told.format(0.001)}`;
}

const named = char => say(BLANKS[char]) || char;

function row(char, share, isChosen) {
    const line = document.createElement('div'), bar = document.createElement('span');
    line.className = isChosen ? 'row chosen' : 'row';
    for (const [kind, text] of [['symbol', named(char)], ['share', percent(share)]]) {
        const part = line.appendChild(document.createElement('span'));
        [part.className, part.textContent] = [kind, text];
    }
    bar.className = 'bar';
    bar.style.width = `${100 * share}%`;
    line.appendChild(document.createElement('span')).append(bar);
    line.lastChild.className = 'track';
    return line;
}

function show(place) {  // the card of the character at that place of the text
    const index = place - (value().prompt || 0), {each = 0} = value();
    if (index < 0 || index >= known() || place >= places.length) return hide();
    cursor = place;
    if (others.packed !== value().others) others = {packed: value().others, chars: Array.from(value().others || '')};
    const [node, offset, length] = places[place], char = node.data.substr(offset, length);
    const rows = [row(char, thousandths(index, 0) / 1000, true)];
    const title = document.createElement('div');
    [title.className, title.textContent] = ['title', say('instead')];
    rows.push(title);
    for (let which = 0; which < each; which++) {
        const other = others.chars[index * each + which];
        rows.push(row(other, thousandths(index, 1 + which) / 1000, other === char));
    }
    card.replaceChildren(...rows);
    card.hidden = frame.hidden = false;
    put(place);
}

function rectangle(place) {
    const [node, offset, length] = places[place], range = document.createRange();
    range.setStart(node, offset);
    range.setEnd(node, offset + length);
    return range.getClientRects()[0] || range.getBoundingClientRect();
}

function put(place) {  // a frame around its character, and the card under it, or over it where there is no room
    const around = box.getBoundingClientRect(), at = rectangle(place), sheet = paper.getBoundingClientRect();
    if (at.top < sheet.top || at.bottom > sheet.bottom) return hide();  // it has been scrolled away
    frame.style.cssText = `left: ${at.left - around.left}px; top: ${at.top - around.top}px;`
        + `width: ${Math.max(4, at.width)}px; height: ${at.height}px`;
    const left = Math.min(at.left - around.left - 24, around.width - card.offsetWidth);
    const isLow = at.bottom + card.offsetHeight + 8 > window.innerHeight && at.top > card.offsetHeight + 8;
    card.style.left = `${Math.max(0, left)}px`;
    card.style.top = `${isLow ? at.top - around.top - card.offsetHeight - 6 : at.bottom - around.top + 6}px`;
}

function hide() {
    cursor = -1;
    card.hidden = frame.hidden = true;
}

function placeAt(x, y) {  // the character under a point, -1 where there is none
    const caret = document.caretPositionFromPoint ? document.caretPositionFromPoint(x, y) : null;
    const old = !caret && document.caretRangeFromPoint ? document.caretRangeFromPoint(x, y) : null;
    const node = caret ? caret.offsetNode : old && old.startContainer, offset = caret ? caret.offset : old && old.startOffset;
    if (!firsts.has(node)) return -1;
    let place = firsts.get(node);
    while (place < places.length - 1 && places[place + 1][0] === node && places[place + 1][1] <= offset) place++;
    for (const one of [place, place - 1]) {  // the caret stands at the nearer edge of the character
        if (one < 0 || one >= places.length) continue;
        const at = rectangle(one);
        if (x >= at.left - 1 && x <= at.right + 1 && y >= at.top - 2 && y <= at.bottom + 2) return one;
    }
    return -1;
}

function pointAt(event) {
    const place = placeAt(event.clientX, event.clientY);
    if (place !== cursor || place < 0) place < 0 ? hide() : show(place);
}

function go(event) {
    const prompt = value().prompt || 0, last = places.length - 1;
    const now = cursor < 0 ? prompt - 1 : cursor;
    const steps = {ArrowRight: () => now + 1, ArrowLeft: () => now - 1, Home: () => prompt, End: () => last,
                   ArrowDown: () => beside(now, 1), ArrowUp: () => beside(now, -1)};
    if (event.key === 'Escape') return hide();
    if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey || !known()) return;
    event.preventDefault();
    const place = Math.max(prompt, Math.min(last, steps[event.key]()));
    const at = rectangle(place), sheet = paper.getBoundingClientRect();
    if (at.top < sheet.top || at.bottom > sheet.bottom) paper.scrollTop += at.top - sheet.top - sheet.height / 2;
    show(place);
}

function beside(place, lines) {  // the character so many lines below, or else the end of the text
    const at = rectangle(Math.max(0, place)), height = parseFloat(getComputedStyle(paper).lineHeight);
    const found = placeAt((at.left + at.right) / 2, (at.top + at.bottom) / 2 + lines * height);
    return found < 0 ? place + 40 * lines : found;
}

// --- what stands around the paper ------------------------------------------------------------------------------------

function label() {
    const told = document.documentElement.lang + JSON.stringify(props.words);
    if (told === labelled) return;
    labelled = told;
    box.querySelector('.name').textContent = say('label');
    paper.setAttribute('aria-label', say('label'));
    paper.setAttribute('data-placeholder', say('placeholder'));
    copy.textContent = say('copy');
    box.querySelector('label span').textContent = say('coloured');
    const names = [percent(0.5), percent(0.2), percent(0.05), percent(0.01)];
    const texts = [`≥ ${names[0]}`, `< ${names[0]}`, `< ${names[1]}`, `< ${names[2]}`, `< ${names[3]}`, say('copied')];
    box.querySelectorAll('.legend li').forEach((item, index) => { item.textContent = texts[index]; });
}

function paint() { box.classList.toggle('is-plain', !isColoured.checked); }

copy.addEventListener('click', async () => {
    try {
        await navigator.clipboard.writeText(shown);
    } catch (error) {  // without https, or in a frame that may not
        getSelection().selectAllChildren(paper);
        document.execCommand('copy');
    }
    copy.textContent = say('has_copied');
    setTimeout(() => { copy.textContent = say('copy'); }, 1500);
});
isColoured.addEventListener('change', paint);
paper.addEventListener('pointermove', event => { if (event.pointerType === 'mouse' && !event.buttons) pointAt(event); });
paper.addEventListener('click', event => { if (getSelection().isCollapsed) pointAt(event); });
paper.addEventListener('pointerleave', event => { if (event.pointerType === 'mouse') hide(); });
paper.addEventListener('blur', hide);
paper.addEventListener('scroll', () => { if (cursor >= 0) put(cursor); });
paper.addEventListener('keydown', go);
watch(Object.keys(props), () => { label(); draw(); });
label();
draw();
