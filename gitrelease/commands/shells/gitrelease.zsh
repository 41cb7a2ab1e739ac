# Completion of gitrelease for zsh: eval "$(gitrelease completion zsh)", after compinit
# zsh quotes what it inserts; nothing of it is split, expanded or evaluated here.
_gitrelease() {
    local -a found values shown
    found=("${(@f)$(
        @PYTHON@ -I -m gitrelease _complete words "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null </dev/null
    )}")
    if [[ $found[1] == :folders ]]; then
        _files -/
        return
    fi
    [[ -n $found[1] ]] || return 1
    values=("${(@)found%%$'\t'*}")
    shown=("${(@)found/$'\t'/  -- }")
    compadd -l -V gitrelease -d shown -a values
}
(( ! $+functions[compdef] )) || compdef _gitrelease gitrelease
