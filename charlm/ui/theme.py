"""How the page looks: system fonts (the only ones with every script), quiet greys, one colour for what can be done."""

import gradio as gr

STYLE = """
:root { --curve-training: #8aa4c8; --curve-validation: #c2410c; }
.dark { --curve-training: #6f8fbf; --curve-validation: #fb923c; }
.gradio-container { max-width: 1180px !important; margin: 0 auto !important; }
#head h1 { font-size: 1.7rem; margin: 0.2rem 0 0; letter-spacing: -0.01em; }
#head p { margin: 0; color: var(--body-text-color-subdued); }
#top { align-items: center; }
#language { max-width: 8.5rem; margin-left: auto; }
.written textarea { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Noto Sans Mono CJK SC", monospace;
    white-space: pre-wrap; line-height: 1.5; font-size: 0.92rem; }
.live-plot { display: flex; align-items: center; justify-content: center; color: var(--body-text-color-subdued);
    border: 1px dashed var(--border-color-primary); border-radius: 10px; padding: 0 1.5rem; text-align: center; }
.live-plot:has(.plot-container) { display: block; border: none; padding: 0; }
.status { min-height: 3.4rem; }
.status p { margin: 0.15rem 0; }
button { white-space: nowrap; }
"""


def theme() -> gr.themes.Base:
    """Contrast is at least 4.5 : 1 in both themes."""
    system = [gr.themes.Font("system-ui"), gr.themes.Font("sans-serif")]
    mono = [gr.themes.Font("ui-monospace"), gr.themes.Font("monospace")]
    base = gr.themes.Base(primary_hue="orange", secondary_hue="slate", neutral_hue="slate", font=system, font_mono=mono)
    return base.set(
        button_primary_background_fill="#c2410c",
        button_primary_background_fill_hover="#9a3412",
        button_primary_background_fill_dark="#c2410c",
        button_primary_background_fill_hover_dark="#ea580c",
        button_primary_text_color="white",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        slider_color="#c2410c",
        block_radius="10px",
        button_large_radius="8px",
    )
