// Makes the document speak a language: what it declares, its title, and Gradio's own words (visit.py puts in WORDS).
(language) => {
    const words = WORDS[language], locale = language === 'zh' ? 'zh-CN' : language;
    document.documentElement.lang = locale;
    document.title = words.title;

    // Gradio follows the browser's language, not the page's. Its store of the language is in a script that is loaded
    // already; where a newer Gradio has none there, only its few words (drop a file here) stay as they are.
    const loaded = performance.getEntriesByType('resource').find(one => /\/assets\/runtime-[^/]*\.js$/.test(one.name));
    if (loaded) import(loaded.name).then(parts => {
        Object.values(parts).find(part => part?.set && part?.subscribe)?.set(locale);
    });

    // A file above the limit is refused by Gradio before this program sees it, in English.
    if (!window.charlmToasts) {
        window.charlmToasts = new MutationObserver(() => {
            for (const toast of document.querySelectorAll('.toast-text')) {
                const most = toast.textContent.match(/^File\(s\) exceed the maximum allowed size of ([^:]*):/);
                if (most) toast.textContent = window.charlmTooLarge.replace('{most}', most[1]);
            }
        });
        window.charlmToasts.observe(document.body, {childList: true, subtree: true});
    }
    window.charlmTooLarge = words.too_large;
}
