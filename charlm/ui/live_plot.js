// Draws the value of LivePlot (live_plot.py says what it holds), and asks for the next one where there will be one. Runs
// once, when the component is first shown. Gives the same <div> to Plotly.react at every change of the value or the theme.

const box = element.querySelector('.live-plot');
const colour = name => getComputedStyle(document.body).getPropertyValue(name).trim();
const asText = name => String(name).replaceAll('&', '&amp;').replaceAll('<', '&lt;');  // Plotly reads some HTML in titles
const SYMBOLS = ['circle', 'square', 'diamond', 'triangle-up', 'triangle-down', 'cross', 'x', 'star'];
const ASK_MS = 250, EACH = 4;  // how often the next value is asked for; with curves, each fourth time
let isWaiting = false, asked = null;  // asked: the value that came by itself, newer than the component's
const newest = () => asked ?? props.value;

function loadPlotly() {  // once for all plots
    window.charlmPlotly ||= new Promise(loaded => {
        const failed = () => { window.charlmPlotly = null; };  // the next value tries again
        document.head.append(Object.assign(document.createElement('script'), {
            src: PLOTLY_SCRIPT, onload: loaded, onerror: failed,
        }));
    });
    return window.charlmPlotly;
}

function axis(title) {
    return {title: {text: asText(title || ''), standoff: 8}, gridcolor: colour('--border-color-primary'),
            zeroline: false, automargin: true};
}

function levelLine(level) {
    return {type: 'line', xref: 'paper', x0: 0, x1: 1, y0: level.y, y1: level.y,
            line: {color: colour('--body-text-color-subdued'), width: 1, dash: 'dot'}};
}

function levelNames(levels) {  // at the right end of their lines; where that is taken, further to the left
    const all = levels.map(level => level.y), room = 0.06 * (Math.max(...all) - Math.min(...all)), placed = [];
    return levels.map(level => {
        const taken = placed.filter(other => Math.abs(other.y - level.y) < room).map(other => other.column);
        const column = all.findIndex((_, i) => !taken.includes(i));
        placed.push({y: level.y, column});
        return {xref: 'paper', x: 1 - 0.17 * column, xanchor: 'right', y: level.y, yanchor: 'bottom', showarrow: false,
                text: asText(level.name), font: {size: 11, color: colour('--body-text-color-subdued')}};
    });
}

function markLine(mark) {
    return {type: 'line', yref: 'paper', x0: mark.x, x1: mark.x, y0: 0, y1: 1,
            line: {color: colour('--curve-rate'), width: 1, dash: 'dash'}};
}

function markName(mark) {
    return {yref: 'paper', y: 0.2, yanchor: 'middle', x: mark.x, xanchor: 'left', text: asText(mark.name),
            showarrow: false, font: {size: 11, color: colour('--body-text-color-subdued')}};
}

function rateAxis(rate) {
    return {...axis(rate.name), domain: [0, 0.15], rangemode: 'tozero', nticks: 3, tickformat: '~g', title: {
            text: asText(rate.name), standoff: 8, font: {size: 11}}};
}

function layout(value) {
    const ink = colour('--body-text-color'), levels = value.levels || [], marks = value.marks || [];
    const below = value.rate ? {yaxis2: rateAxis(value.rate)} : {};
    return {
        separators: value.separators, height: box.clientHeight || 440, autosize: true, margin: {l: 56, r: 12, t: 30, b: 44},
        uirevision: `${value.run} ${value.y}`,  // the same run in the same unit keeps its zoom
        paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
        font: {color: ink, size: 13, family: colour('--font')},
        hovermode: 'x unified', hoverlabel: {bgcolor: colour('--background-fill-primary'), font: {color: ink}},
        showlegend: true, legend: {orientation: 'h', x: 0, y: 1.12},
        xaxis: {...axis(value.x), anchor: value.rate ? 'y2' : 'y'},
        yaxis: {...axis(value.y), domain: [value.rate ? 0.26 : 0, 1]}, ...below,
        shapes: [...levels.map(levelLine), ...marks.map(markLine)],
        annotations: [...levelNames(levels), ...marks.map(markName)],
    };
}

function trace(curve, index) {
    const own = index === 0 ? 'training' : 'validation', ink = colour(`--curve-${curve.colour || own}`);
    const one = {
        type: 'scatter', name: asText(curve.name), x: curve.x, y: curve.y, hovertemplate: '%{y:.4f}',
        mode: curve.is_thin ? 'lines' : 'lines+markers', marker: {size: 5, color: ink},
        line: {width: curve.is_thin ? 1.5 : 2.5, color: ink},
    };
    return curve.colour ? ofSeveral(one, curve) : one;
}

function ofSeveral(one, curve) {  // a run's curves belong together, and differ from others' not by colour alone
    const marker = {...one.marker, size: 7, symbol: SYMBOLS[curve.colour - 1]};
    return {...one, marker, legendgroup: String(curve.colour), showlegend: !curve.is_thin,
            opacity: curve.is_thin ? 0.45 : 1, hoverinfo: curve.is_thin ? 'skip' : 'all'};
}

function rateTrace(value) {
    return {
        type: 'scatter', name: asText(value.rate.name), x: value.curves[0].x, y: value.rate.y, yaxis: 'y2',
        mode: 'lines', hovertemplate: '%{y:.3g}', line: {width: 1.5, color: colour('--curve-rate')}, showlegend: false,
    };
}

function draw() {
    isWaiting = false;
    const value = newest();
    if (!value || !box.isConnected) return;
    say(value.status);
    box.setAttribute('aria-label', value.name || '');
    if (!(value.curves || []).length) {
        if (box.data) Plotly.purge(box);
        box.textContent = value.message || '';
        return;
    }
    if (!window.Plotly) return loadPlotly().then(drawSoon);
    if (!box.data) box.textContent = '';
    Plotly.register({moduleType: 'locale', name: value.language, dictionary: value.buttons, format: {}});
    const traces = [...value.curves.map(trace), ...(value.rate ? [rateTrace(value)] : [])];
    Plotly.react(box, traces, layout(value), {
        locale: value.language, responsive: true, displaylogo: false, modeBarButtonsToRemove: ['select2d', 'lasso2d', 'autoScale2d'],
        showSendToCloud: false, plotlyServerURL: '',  // plotly.js 4 would offer to upload the chart
    });
}

function drawSoon() {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(draw);
}

let moment;

function tellMoment() {
    const now = newest()?.moment;
    if (now === undefined || now === moment) return;
    moment = now;
    trigger('apply');
}

function say(status) {  // paragraphs above the plot
    if (status === undefined) return;
    let place = element.querySelector('.status');
    if (!place) box.before(place = Object.assign(document.createElement('div'), {className: 'status'}));
    place.replaceChildren(...status.split('\n\n').map(paragraph));
}

function paragraph(line) {
    const made = document.createElement('p');
    line.split('**').map(part => part.replace(/\\(.)/g, '$1')).forEach((part, i) => {
        made.append(i % 2 ? Object.assign(document.createElement('strong'), {textContent: part}) : part);
    });
    return made;
}

let turn = 0, isAsking = false;

async function ask() {
    const address = newest()?.next;
    if (!address || isAsking || document.hidden || !box.isConnected) return;
    if (newest().curves.length && turn++ % EACH) return;
    isAsking = true;
    try {
        const value = await (await fetch(address)).json();
        if (newest()?.next === address) take(value);  // and not another run, language or unit meanwhile
    } catch (error) {
        console.debug(`No answer from ${address}: ${error}`);  // the server is away for a moment: the next one tries again
    } finally {
        isAsking = false;
    }
}

function take(value) {
    asked = value;
    drawSoon();
    tellMoment();
}

setInterval(ask, ASK_MS);
watch(['value'], () => { asked = null; drawSoon(); tellMoment(); });
new MutationObserver(drawSoon).observe(document.body, {attributes: true, attributeFilter: ['class']});  // dark, light
new ResizeObserver(() => { if (box.clientWidth && box.data) Plotly.Plots.resize(box); }).observe(box);  // hidden tabs
drawSoon();
setTimeout(loadPlotly, 2000);  // half a second of the browser's work: after the page is there, before the first curve
