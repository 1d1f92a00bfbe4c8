"""The page. The only package that knows Gradio and Plotly; it reads forms, calls `charlm`, and shows what comes back.

page          the whole page, and how it is launched      theme      colours, fonts, style sheet
train_tab     choose a text, train, watch                 live_plot  the loss curve
source        which text, and what is in it               source_views what is shown of it; no Gradio
settings      recipes first, every knob behind "more"     screen     where a run is watched
share  link   settings, text and run in an address
race_tab      RNN, GRU and LSTM learn one text            race_views what is shown of it; no Gradio
generate_tab  choose a run and what to do with it         form       controls made of the config dataclasses
views         facts -> what is shown; no Gradio           words      every sentence of the page
visit         what the tabs share

Of the Generate tab:

desk          run, prompt, how characters are drawn       writer        texts being written, in turns; no Gradio
write_tab     one text                                    written_text  it, coloured by probability
compare_tab   several texts side by side                  next_bars     the next character's probabilities
letters_tab   one character at a time, by hand            text_views    texts -> what is shown of them; no Gradio
generate_call the documented call                         meter         the training texts to compare with; no Gradio
"""
