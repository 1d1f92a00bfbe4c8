// A long text that is pasted becomes a file, as if it had been uploaded: in a box it would stop the page for a minute.
() => {
    const MOST_CHARS = 300_000;

    function field(selector, seconds = 10) {  // once it is there
        return new Promise((found, missing) => {
            const began = performance.now(), look = () => {
                const one = document.querySelector(selector);
                if (one) return found(one);
                if (performance.now() - began > 1000 * seconds) return missing(new Error(`no ${selector}`));
                setTimeout(look, 50);
            };
            look();
        });
    }

    document.addEventListener('paste', async event => {
        const text = event.target.closest?.('#pasted') && event.clipboardData?.getData('text/plain');
        if (!text || text.length <= MOST_CHARS) return;
        event.preventDefault();
        event.stopPropagation();
        document.querySelector('#text-kind input[value=file]').click();
        const files = new DataTransfer(), input = await field('#text-file input[type=file]');
        files.items.add(new File([text], 'pasted.txt', {type: 'text/plain'}));
        input.files = files.files;
        input.dispatchEvent(new Event('change', {bubbles: true}));
    }, true);
}
