// VitePress's own theme, with the fonts of the system.
import theme from 'vitepress/theme-without-fonts'
// oxlint-disable-next-line import/no-unassigned-import -- Vite bundles it, and there is nothing to assign.
import './style.css'

export default theme
