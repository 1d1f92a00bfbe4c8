// Makes the document speak a language: what it declares, its title, and Gradio's own words (visit.py puts in WORDS).
(language) => {
    const words = WORDS[language], locale = language === 'zh' ? 'zh-CN' : language;
    const own = window.charlmSpeaking ||= {'aria-label': new WeakMap(), title: new WeakMap()};  // element -> its names
    document.documentElement.lang = locale;
    document.title = words.title;
    own.words = words;

    // Gradio follows the browser's language, not the page's. Its store of the language is in a script that is loaded
    // already; where a newer Gradio has none there, only its few words (drop a file here) stay as they are.
    const loaded = performance.getEntriesByType('resource').find(one => /\/assets\/runtime-[^/]*\.js$/.test(one.name));
    if (loaded) import(loaded.name).then(parts => {
        Object.values(parts).find(part => part?.set && part?.subscribe)?.set(locale);
    });

    // What it says in English alone: names for screen readers, and that a file is above the limit; "common.complete" is
    // a word that it has forgotten.
    function sayName(one, attribute) {
        const name = one.getAttribute(attribute), known = own[attribute].get(one);
        const gradios = name === known?.ours ? known.gradios : name;
        const begun = Object.keys(own.words.names).find(start => gradios.startsWith(start));
        const ours = begun ? own.words.names[begun].replace('{name}', gradios.slice(begun.length)) : gradios;
        if (begun || known) own[attribute].set(one, {gradios, ours});
        if (ours !== name) one.setAttribute(attribute, ours);
    }

    function sayText(box) {
        const text = [...box.childNodes].find(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
        const most = text?.data.match(/^File\(s\) exceed the maximum allowed size of ([^:]*):/);
        if (most) text.data = own.words.too_large.replace('{most}', most[1]);
        if (text?.data.trim() === 'common.complete') text.data = own.words.done;
    }

    function sayDropZone(zone) {  // two pieces of text with an "or" between them, which Gradio says once and for all
        const texts = [...zone.childNodes].filter(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
        texts.push(...(zone.querySelector('.or')?.childNodes || []));
        const said = [own.words.drop, own.words.click, own.words.or];
        texts.forEach((text, i) => { if (text.data !== ` ${said[i]} `) text.data = ` ${said[i]} `; });
    }

    const sayAll = () => {
        for (const one of document.querySelectorAll('[aria-label]')) sayName(one, 'aria-label');
        for (const one of document.querySelectorAll('button[title]')) sayName(one, 'title');
        document.querySelectorAll('[data-testid=upload-text]').forEach(sayDropZone);
        document.querySelectorAll('.toast-text, [role=status], [role=status] *').forEach(sayText);
    };
    if (!own.observer) {
        own.observer = new MutationObserver(sayAll);
        const attributes = {attributes: true, attributeFilter: ['aria-label', 'title']};
        own.observer.observe(document.body, {childList: true, characterData: true, subtree: true, ...attributes});
    }
    sayAll();
}
