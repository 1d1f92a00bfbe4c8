"""The page. The only package that knows Gradio and Plotly; it reads forms, calls `charlm`, and shows what comes back.

page          the whole page, and how it is launched      theme      colours, fonts, style sheet
train_tab     choose a text, train, watch                 live_plot  the loss curve
generate_tab  choose a run, write                         form       controls made of the config dataclasses
race_tab      RNN, GRU and LSTM learn one text            race_views what is shown of it; no Gradio
views         facts -> what is shown; no Gradio           words      every sentence of the page
visit         what the tabs share
"""
