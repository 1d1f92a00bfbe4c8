"""How the page looks: system fonts (the only ones with every script), warm greys, one colour for what can be done."""

from pathlib import Path

import gradio as gr

ACCENT, ACCENT_PRESSED = "#c2410c", "#9a3412"  # white on them: 5.2 and 7.3 to 1
STYLE = (Path(__file__).parent / "style.css").read_text("utf-8")


def theme() -> gr.themes.Base:
    """Contrast is at least 4.5 : 1 in both themes."""
    system = [gr.themes.Font("system-ui"), gr.themes.Font("sans-serif")]
    mono = [gr.themes.Font("ui-monospace"), gr.themes.Font("monospace")]
    base = gr.themes.Base(primary_hue="orange", secondary_hue="stone", neutral_hue="stone", font=system, font_mono=mono)
    return base.set(
        body_background_fill="#faf9f7",
        body_background_fill_dark="#171412",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        background_fill_primary="white",
        background_fill_primary_dark="#211d1b",
        background_fill_secondary="#f3f1ee",
        background_fill_secondary_dark="#2b2624",
        block_background_fill="white",
        block_background_fill_dark="#211d1b",
        block_border_color="*neutral_200",
        block_border_color_dark="#3b3532",
        border_color_primary="*neutral_300",
        border_color_primary_dark="#4a433f",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_100",
        block_title_text_weight="600",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        input_background_fill="white",
        input_background_fill_dark="#171412",
        input_border_width="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="#4a433f",
        input_border_color_focus=ACCENT,
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        button_primary_background_fill=ACCENT,
        button_primary_background_fill_hover=ACCENT_PRESSED,
        button_primary_background_fill_dark=ACCENT,
        button_primary_background_fill_hover_dark=ACCENT_PRESSED,
        button_primary_text_color="white",
        button_primary_border_color=ACCENT,
        button_primary_border_color_dark=ACCENT,
        slider_color=ACCENT,
        checkbox_background_color_selected=ACCENT,
        checkbox_background_color_selected_dark=ACCENT,
        checkbox_border_color_selected=ACCENT,
        checkbox_border_color_selected_dark=ACCENT,
        link_text_color=ACCENT,
        link_text_color_dark="#fdba74",
        block_radius="12px",
        container_radius="12px",
        input_radius="8px",
        button_large_radius="10px",
        block_shadow="none",
    )
